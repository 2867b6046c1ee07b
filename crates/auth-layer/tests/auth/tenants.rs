//! A token for each tenant, within bounds.

mod apart;
mod forgotten;
mod unlocked;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use auth_layer::{Auth, Grant, Slot, Tenant, Tenants, source_fn};
use call_context::BoxError;
use http::Request;
use tokio::time::sleep;
use tower::ServiceExt;

use crate::support::{SECOND, origin, request};

fn most(most: usize) -> NonZeroUsize {
    NonZeroUsize::new(most).expect("not zero")
}

fn of(tenant: &str) -> Request<String> {
    let mut request = request();
    request.extensions_mut().insert(Tenant::from(tenant));
    request
}

/// Tokens named after their tenant and counted over all tenants, each after a second.
fn tenants(fetches: &Arc<AtomicU64>) -> Tenants {
    let fetches = Arc::clone(fetches);
    Tenants::new(move |tenant: &Tenant| {
        let (tenant, fetches) = (tenant.clone(), Arc::clone(&fetches));
        source_fn(move |_| {
            let n = fetches.fetch_add(1, Ordering::SeqCst) + 1;
            let grant = Grant::new(format!("{tenant}-{n}")).expires_in(100_000);
            async {
                sleep(SECOND).await;
                Ok(grant)
            }
        })
    })
}

fn auth(tenants: Tenants) -> Auth {
    Auth::single(Slot::tenants("customers", tenants).origin(origin())).expect("a valid slot")
}

async fn send(client: &crate::support::Client, tenant: &str) -> Result<String, BoxError> {
    let response = client.clone().oneshot(of(tenant)).await?;
    Ok(response.into_body())
}

fn is_token_of(seen: &str, tenant: &str) -> bool {
    let rest = seen.strip_prefix(&format!("Bearer {tenant}-"));
    rest.is_some_and(|n| n.parse::<u64>().is_ok())
}
