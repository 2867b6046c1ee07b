//! Empty: the example is beside the others, in the folder above.
