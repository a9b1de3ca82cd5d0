//! The policies that a small client is made of, each by itself: breaker, rate, a fixed number at once, retry budget and backoff,
//! asked one after the other. What they do together is then the client's own affair: that nothing is taken where another one
//! refuses, who is told about a 429, and which ticket comes back late.
#![no_std]
#![no_main]

mod footprint;

use core::{hint::black_box as hidden, time::Duration};

use static_cell::ConstStaticCell;
use tidegate_core::{
    Entropy, Instant,
    backoff::{Backoff, BackoffConfig},
    breaker::{BreakerConfig, CircuitBreaker, Rejected, Verdict},
    budget::{RetryBudget, RetryBudgetConfig},
    limit::{ConcurrencyLimit, LimitConfig, Load},
    rate::{Pacing, RateConfig, RateLimiter},
};

struct Policies {
    breaker: CircuitBreaker,
    limiter: RateLimiter,
    limit: ConcurrencyLimit,
    budget: RetryBudget,
    backoff: Backoff,
}

static POLICIES: ConstStaticCell<Policies> = ConstStaticCell::new(Policies {
    breaker: match CircuitBreaker::new(BreakerConfig::DEFAULT) {
        Ok(breaker) => breaker,
        Err(_) => panic!("the default is valid"),
    },
    limiter: match RateLimiter::new(RateConfig::DEFAULT) {
        Ok(limiter) => limiter,
        Err(_) => panic!("the default is valid"),
    },
    limit: match ConcurrencyLimit::new(LimitConfig::fixed(4)) {
        Ok(limit) => limit,
        Err(_) => panic!("4 at once are valid"),
    },
    budget: match RetryBudget::new(RetryBudgetConfig::DEFAULT) {
        Ok(budget) => budget,
        Err(_) => panic!("the default is valid"),
    },
    backoff: match Backoff::new(BackoffConfig::DEFAULT) {
        Ok(backoff) => backoff,
        Err(_) => panic!("the default is valid"),
    },
});

#[board::entry]
fn main() -> ! {
    let policies = POLICIES.take();
    let mut now = hidden(Instant::from_secs(1));
    for draw in 0..hidden(100) {
        let mut delay = Duration::ZERO;
        for failures in 1..hidden(4) {
            let entropy = Entropy::mix(1, 2, draw);
            now = policies.attempt(now, failures > 1, entropy);
            delay = policies.backoff.delay(failures, delay, entropy);
            now = now.saturating_add(delay);
        }
    }
    hidden(now);
    footprint::end()
}

impl Policies {
    /// One attempt, or none; when to ask again.
    fn attempt(&mut self, now: Instant, again: bool, entropy: Entropy) -> Instant {
        if again && let Err(empty) = self.budget.try_withdraw(now) {
            return empty.until;
        }
        if let Pacing::NotBefore(until) = self.limiter.try_acquire(now, 1) {
            return until;
        }
        let pass = match self.breaker.try_acquire(now) {
            Ok(pass) => pass,
            Err(Rejected::Open { until, .. } | Rejected::Probing { until, .. }) => return until,
            Err(Rejected::Forced) => return Instant::MAX,
        };
        let Ok(slot) = self.limit.try_acquire() else { return now };
        let good = hidden(true);
        let (verdict, load) = if good { (Verdict::Success, Load::Carried) } else { (Verdict::Failure, Load::Failed) };
        self.breaker.settle(now, pass, verdict, entropy);
        self.limit.settle(slot, load, hidden(Duration::from_millis(20)));
        if good {
            self.budget.deposit();
        }
        now
    }
}
