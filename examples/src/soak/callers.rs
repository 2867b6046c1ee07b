//! Who calls, and how they give up.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use fastrand::Rng;
use futures_util::{StreamExt, stream};
use http::StatusCode;
use http_body_util::BodyExt;
use tokio::time::sleep;
use tollgate::context::NeverLeft;
use tollgate::rate::RateErrorKind;
use tollgate::{RateError, find};
use tower::ServiceExt;

use crate::soak::tally::{Ending, Tally};
use crate::soak::wire::{Client, Trace, request};

/// A call under way, which any thread may drop.
pub type Call = Pin<Box<dyn Future<Output = Ending> + Send>>;

/// One who calls again and again.
#[derive(Debug)]
pub struct Caller {
    /// What it calls by.
    pub client: Client,
    /// Whom it calls.
    pub server: SocketAddr,
    /// Where nobody listens: one call in forty goes there, and never leaves.
    pub nowhere: SocketAddr,
    /// Where it counts.
    pub tally: Arc<Tally>,
    /// Where it hands calls that another thread is to drop.
    pub undertaker: mpsc::Sender<Call>,
    /// What decides on its moods.
    pub dice: Rng,
}

/// What a caller does with one call.
#[derive(Clone, Copy, Debug)]
enum Mood {
    /// Reads the answer to its end.
    Patient,
    /// Gives up after a time, wherever the call may be.
    GivesUp,
    /// Gives up once the call is on its way.
    GivesUpInFlight,
    /// Gives up while the body streams.
    GivesUpInBody,
    /// Gives up after a time, and has another thread drop the call.
    HandsOver,
    /// Forgets the call for a time, and then goes on with it.
    Forgets,
}

impl Caller {
    /// Calls for ever, one call after the other.
    pub async fn call_one_by_one(mut self) {
        loop {
            let mood = self.mood();
            self.call_once(mood).await;
        }
    }

    /// Calls for ever, four calls at a time, whose futures starve while each answer is worked on.
    pub async fn call_by_fours(mut self) {
        let (client, server) = (self.client.clone(), self.server);
        let mut answers = stream::repeat_with(|| call(&client, server, 0).0).buffered(4);
        while let Some(ending) = answers.next().await {
            self.tally.add(ending);
            sleep(Duration::from_millis(self.dice.u64(0..2_000))).await;
        }
    }

    async fn call_once(&mut self, mood: Mood) {
        let length = if self.dice.bool() { 0 } else { 100_000 };
        let server = match self.dice.u32(0..40) {
            0 => self.nowhere,
            _ => self.server,
        };
        let (mut call, trace) = call(&self.client, server, length);
        let long = Duration::from_millis(self.dice.u64(0..8_000));
        let short = Duration::from_millis(self.dice.u64(0..300));
        let given_up = async {
            match mood {
                Mood::Patient => std::future::pending().await,
                Mood::GivesUp | Mood::HandsOver | Mood::Forgets => sleep(long).await,
                Mood::GivesUpInFlight => {
                    trace.departed().await;
                    sleep(short).await;
                }
                Mood::GivesUpInBody => {
                    trace.answered().await;
                    sleep(short / 4).await;
                }
            }
        };
        tokio::select! {
            biased;
            ending = &mut call => return self.tally.add(ending),
            () = given_up => {}
        }
        match mood {
            Mood::Forgets => {
                sleep(short * 10).await;
                let ending = call.await;
                self.tally.add(ending);
            }
            Mood::HandsOver => {
                self.tally.add(Ending::GivenUp(trace.stage()));
                // Where that thread is gone, the call is dropped here.
                let _ = self.undertaker.send(call);
            }
            _ => self.tally.add(Ending::GivenUp(trace.stage())),
        }
    }

    /// Half of all calls are in good hands.
    fn mood(&mut self) -> Mood {
        match self.dice.u32(0..100) {
            0..50 => Mood::Patient,
            50..70 => Mood::GivesUp,
            70..78 => Mood::GivesUpInFlight,
            78..82 => Mood::GivesUpInBody,
            82..92 => Mood::HandsOver,
            _ => Mood::Forgets,
        }
    }
}

/// Makes a call, and reads its answer to the end.
fn call(client: &Client, server: SocketAddr, length: usize) -> (Call, Trace) {
    let (request, trace) = request(server, length);
    let client = client.clone();
    let call = Box::pin(async move {
        match client.oneshot(request).await {
            Ok(answer) if answer.status() == StatusCode::TOO_MANY_REQUESTS => Ending::Rejected,
            Ok(answer) => match answer.into_body().collect().await {
                Ok(_) => Ending::Whole,
                Err(_) => Ending::Cut,
            },
            Err(error) if NeverLeft::find(&*error).is_some() => Ending::NeverLeft,
            Err(error) => match find::<RateError>(&*error).map(RateError::kind) {
                Some(RateErrorKind::AnswerTimeout) => Ending::Late,
                _ => Ending::Broken,
            },
        }
    });
    (call, trace)
}
