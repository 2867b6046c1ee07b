//! What a layer has been told that cannot all hold.
//!
//! Looked for when the layer wraps a service: before, what is missing may yet be said.

use crate::limits::Limit;
use crate::quota::{Start, Tier};
use crate::rule::Rule;

const ADOPTS_UNHEARD: &str = "a quota adopts the limits that the server states (`adopt_up_to`), and the rule that holds it reads no \
                              response: say which dialect the server speaks, by `.listen(Standard)` or another one, or leave `adopt_up_to` out";
const SEEDED_UNHEARD: &str = "a window begins with what the first response says (`Start::Seeded`), and the rule that holds it reads no \
                              response: say which dialect the server speaks, by `.listen(Standard)` or another one, or begin with `Start::Full`";
const NOTHING_TO_COUNT: &str = "a rule says what requests cost, or what responses say of it, and counts none of them: give it a window, as by \
                                `slot`, `otherwise` or `without_slot`, or leave that out";
const NO_WINDOW_TO_LISTEN: &str = "a rule listens to what the server says of its limit, and has nothing but a pace, which has no places to count: hold \
                                   requests to a quota as well, or leave `listen` out";
const NO_WINDOW_TO_CORRECT: &str = "a rule sets costs right by the answer (`correct`, `charged_later`), and has nothing but a pace, which keeps to what was \
                                    admitted: hold requests to a quota as well, or leave that out";

/// What is wrong with one of `rules`, and what to say instead.
pub(crate) fn of(rules: &[Rule]) -> Option<&'static str> {
    rules.iter().find_map(of_rule)
}

fn of_rule(rule: &Rule) -> Option<&'static str> {
    let counting = || rule.limits.all().filter_map(Limit::quotas);
    let tiers = || counting().flat_map(|quotas| quotas.tiers());
    let has_window = tiers().any(|tier| matches!(tier, Tier::Window(_)));
    let quotas = || {
        tiers().filter_map(|tier| match tier {
            Tier::Window(quota) => Some(quota),
            Tier::Pace(_) => None,
        })
    };
    let listens = rule.dialect().is_some();
    let mistakes = [
        (
            !listens && quotas().any(|quota| quota.ceiling() > 0),
            ADOPTS_UNHEARD,
        ),
        (
            !listens && quotas().any(|quota| quota.starts() == Start::Seeded),
            SEEDED_UNHEARD,
        ),
        (
            counting().next().is_none() && rule.says_how_to_count(),
            NOTHING_TO_COUNT,
        ),
        (!has_window && listens, NO_WINDOW_TO_LISTEN),
        (!has_window && rule.sets_costs_right(), NO_WINDOW_TO_CORRECT),
    ];
    mistakes
        .into_iter()
        .find_map(|(is_made, text)| is_made.then_some(text))
}
