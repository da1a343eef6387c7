//! What public addresses carried: hosts' reports taken down minute by minute, and shown by periods.
//!
//! Totals are compared with the last of the same host, so what is told twice counts once and what was lost comes with the next. An
//! address that nobody has any more when its last minute is told loses that minute.

use hostspec::{AddressTraffic, TrafficReport};
use model::{Error, HostId, Millis, TRAFFIC_HOURS_KEPT, TRAFFIC_MINUTE_MS, Traffic, TrafficHour, TrafficMark, TrafficMeter, hour_of};
use store::Tx;

use crate::address::{AddressRef, elastic_of, target_of};
use crate::auth::Caller;
use crate::{Cloud, Failure};

/// Addresses of which one transaction takes down what they carried, so that it holds nobody up.
const TAKEN_AT_ONCE: usize = 100;
/// How far a host's clock may be from ours before ours is taken, in milliseconds.
const CLOCK_TOLERANCE_MS: i64 = 60_000;
/// Periods that one question may be about (Alibaba Cloud documents 400).
pub const TRAFFIC_PERIODS_MAX: i64 = 400;

/// What an elastic address carried in one period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrafficPeriod {
    /// When it begins.
    pub at: Millis,
    /// What was carried.
    pub traffic: Traffic,
}

/// A question about what an elastic address carried.
#[derive(Debug, Clone, Copy)]
pub struct TrafficQuestion {
    /// The address.
    pub address: AddressRef,
    /// From here.
    pub from: Millis,
    /// To here, not included.
    pub to: Millis,
    /// Minutes in a period, 1 or more.
    pub minutes: u32,
}

impl TrafficQuestion {
    /// Times at full minutes, rounded up.
    fn span(&self) -> (i64, i64) {
        let up = |at: Millis| (at.0 + TRAFFIC_MINUTE_MS - 1).div_euclid(TRAFFIC_MINUTE_MS) * TRAFFIC_MINUTE_MS;
        (up(self.from), up(self.to))
    }

    fn check(&self, now: Millis) -> Result<(), Error> {
        let ((from, to), step) = (self.span(), i64::from(self.minutes.max(1)) * TRAFFIC_MINUTE_MS);
        if to <= from {
            return Err(Error::invalid("TrafficEnd", "must be later than the start"));
        }
        if from < now.0 - (TRAFFIC_HOURS_KEPT - 24) * 60 * TRAFFIC_MINUTE_MS {
            return Err(Error::invalid("TrafficStart", "must be within the last 30 days"));
        }
        if (to - from) / step > TRAFFIC_PERIODS_MAX {
            return Err(Error::invalid("TrafficPeriods", format!("must divide the time into {TRAFFIC_PERIODS_MAX} at most")));
        }
        Ok(())
    }
}

impl Cloud {
    /// Takes down what a host counted.
    pub(crate) async fn take_traffic(&self, host: HostId, report: TrafficReport) {
        let now = self.clock().now();
        let at = Millis(report.at_ms);
        let told = if (at.0 - now.0).abs() > CLOCK_TOLERANCE_MS { now } else { at };
        for part in report.addresses.chunks(TAKEN_AT_ONCE) {
            let part = part.to_vec();
            let written = self.store().write(move |tx| part.iter().try_for_each(|address| take(tx, host, told, address)));
            if let Err(error) = written.await {
                tracing::warn!(%error, %host, "what public addresses carried could not be taken down; the next report says it again");
            }
        }
        // Once an hour is enough, and the first minute of it is as good as any.
        if told.0.div_euclid(TRAFFIC_MINUTE_MS).rem_euclid(60) == 0 {
            let forgotten = self.store().write(move |tx| Ok::<_, Failure>(tx.traffic_forget_before(hour_of(told) - TRAFFIC_HOURS_KEPT)?));
            if let Err(error) = forgotten.await {
                tracing::warn!(%error, "old traffic could not be forgotten; the next hour will");
            }
        }
    }

    /// What an elastic address of the caller carried, by periods from the beginning of the question, the empty ones too.
    ///
    /// # Errors
    /// Refuses an address that is not the account's, a time that is over for 30 days or ends before it begins, and too many periods.
    pub async fn address_traffic(&self, caller: &Caller, question: TrafficQuestion) -> Result<Vec<TrafficPeriod>, Error> {
        let (account, which) = (caller.account(), question.address);
        let targets = self.store().read(move |tx| target_of(tx, account, which)).await;
        let targets = targets.map_err(|failure| self.refusal(caller.action, failure))?;
        self.read(caller, targets, move |tx, cx| {
            let address = elastic_of(tx, cx.caller.account(), question.address)?;
            question.check(cx.now)?;
            let ((from, to), step) = (question.span(), i64::from(question.minutes.max(1)) * TRAFFIC_MINUTE_MS);
            let hours = tx.traffic_list(address.id, hour_of(Millis(from + 1)), hour_of(Millis(to)))?;
            let mut periods: Vec<TrafficPeriod> = (from..to)
                .step_by(usize::try_from(step).map_err(|_| Error::Internal)?)
                .map(|at| TrafficPeriod { at: Millis(at), traffic: Traffic::default() })
                .collect();
            for (at, traffic) in hours.iter().flat_map(TrafficHour::by_time).filter(|(at, _)| (from..to).contains(&at.0)) {
                if let Some(period) = usize::try_from((at.0 - from) / step).ok().and_then(|place| periods.get_mut(place)) {
                    period.traffic += traffic;
                }
            }
            Ok(periods)
        })
        .await
    }
}

fn take(tx: &mut Tx<'_>, host: HostId, told: Millis, counted: &AddressTraffic) -> Result<(), Failure> {
    let Some(address) = tx.address_with_ip(counted.public)? else { return Ok(()) };
    let mut meter = tx.get::<TrafficMeter>(address.id)?.unwrap_or_else(|| TrafficMeter::new(address.id));
    let new = meter.take(host, TrafficMark { since_ms: counted.since_ms, told, total: counted.total });
    if new.is_none() {
        return Ok(());
    }
    tx.put(&meter)?;
    let hour = hour_of(told);
    let mut minutes = tx.traffic_hour(address.id, hour)?.unwrap_or_else(|| TrafficHour::new(address.id, hour));
    minutes.add(told, new);
    Ok(tx.put(&minutes)?)
}
