//! The numbers that a shop may set for itself.

use std::time::Duration;

use crate::order::{ActionKind, NextAction, Order, PrepayKind};
use crate::types::{Channel, Timestamp};

/// What the rules leave to the shop.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Policy {
    /// Do not acknowledge payments of a taken transaction, another identity or another
    /// amount, so that the channel repeats them. Default: off, they are kept as anomalies.
    pub strict: bool,
    /// How long an order lives where `NewOrder` does not say. Default: 7 days.
    pub expires_after: Duration,
    /// How long after its expiry an order that the channel does not know is still waited
    /// for. Default: 10 minutes.
    pub grace: Duration,
    /// How long after the last prepay the channel may be asked to close. Default: 5
    /// minutes, as WeChat's v2 and its partners need; 0 for v3.
    pub close_after: Duration,
    /// Do not believe "closed" before a query confirms it: WeChat's v3 answers 204 even
    /// for a number that it never saw. Default: on.
    pub close_needs_query: bool,
    /// How long after its creation, then after each check, the channel is asked about an
    /// unpaid order; the last step repeats. Default: 5 s, 30 s, 1, 3, 5, 10, 30 min.
    pub check_after: Vec<Duration>,
    /// The same for a refund. Default: five times 1 min, then 5, 10, 20, 30 min.
    pub refund_check_after: Vec<Duration>,
    /// What channels allow. Default: [`ChannelPolicy::WECHAT`] for `wechat`. A channel that
    /// is not listed has [`ChannelPolicy::UNLIMITED`].
    pub channels: Vec<(Channel, ChannelPolicy)>,
}

/// What one channel allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChannelPolicy {
    /// A number is paid at most once: a number whose only payment was refunded or dismissed
    /// cannot be paid any more.
    pub pays_once: bool,
    /// How long after a payment the channel gives it back; `None` where there is no limit.
    pub refund_window: Option<Duration>,
    /// In how many parts the channel gives one transaction back; `None` where there is no
    /// limit. Closed refunds are no parts.
    pub refund_parts: Option<usize>,
}

impl ChannelPolicy {
    /// A channel without limits, which may take a second payment for a number.
    pub const UNLIMITED: Self = Self {
        pays_once: false,
        refund_window: None,
        refund_parts: None,
    };

    /// WeChat Pay: a number is paid once, and a payment goes back within 365 days in at
    /// most 50 parts.
    pub const WECHAT: Self = Self {
        pays_once: true,
        refund_window: Some(Duration::from_secs(365 * 24 * 60 * 60)),
        refund_parts: Some(50),
    };

    /// The same with another rule on second payments.
    #[must_use]
    pub const fn with_pays_once(mut self, pays_once: bool) -> Self {
        self.pays_once = pays_once;
        self
    }

    /// The same with another window for refunds.
    #[must_use]
    pub const fn with_refund_window(mut self, window: Option<Duration>) -> Self {
        self.refund_window = window;
        self
    }

    /// The same with another limit on the parts of a refund.
    #[must_use]
    pub const fn with_refund_parts(mut self, parts: Option<usize>) -> Self {
        self.refund_parts = parts;
        self
    }
}

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

impl Default for Policy {
    fn default() -> Self {
        let minutes = |steps: &[u32]| steps.iter().map(|m| MINUTE * *m).collect::<Vec<_>>();
        Self {
            strict: false,
            expires_after: MINUTE * 60 * 24 * 7,
            grace: MINUTE * 10,
            close_after: MINUTE * 5,
            close_needs_query: true,
            check_after: [vec![SECOND * 5, SECOND * 30], minutes(&[1, 3, 5, 10, 30])].concat(),
            refund_check_after: minutes(&[1, 1, 1, 1, 1, 5, 10, 20, 30]),
            channels: vec![(Channel::WECHAT, ChannelPolicy::WECHAT)],
        }
    }
}

impl Policy {
    /// What this channel allows.
    #[must_use]
    pub fn channel(&self, channel: Channel) -> ChannelPolicy {
        let mut listed = self.channels.iter();
        let found = listed.find(|(listed, _)| *listed == channel);
        found.map_or(ChannelPolicy::UNLIMITED, |(_, policy)| *policy)
    }

    /// The next check of an order that was checked `checks` times.
    pub(super) fn next_check(&self, now: Timestamp, checks: u32) -> NextAction {
        NextAction {
            at: now.saturating_add(step(&self.check_after, checks)),
            action: ActionKind::Query,
        }
    }

    /// The next check of a refund that was checked `checks` times.
    pub(super) fn refund_check(&self, now: Timestamp, checks: u32) -> Timestamp {
        now.saturating_add(step(&self.refund_check_after, checks))
    }

    /// From when on the channel may be asked to close `order`.
    pub(super) fn closable_from(&self, order: &Order, now: Timestamp) -> Timestamp {
        let prepaid = order.prepay.as_ref().map(|prepay| prepay.recorded_at);
        prepaid.map_or(now, |at| at.saturating_add(self.close_after).max(now))
    }
}

/// The step after `checks` checks; the last one repeats. An empty ladder is refused when
/// the store is built; a minute stands in for it here, so that no input can panic.
fn step(ladder: &[Duration], checks: u32) -> Duration {
    let place = usize::try_from(checks).unwrap_or(usize::MAX);
    let last = ladder.last();
    ladder.get(place).or(last).copied().unwrap_or(MINUTE)
}

/// How long the channel keeps an invitation of this kind.
pub(super) const fn life_of(kind: PrepayKind) -> Duration {
    match kind {
        PrepayKind::H5 => Duration::from_secs(5 * 60),
        PrepayKind::Jsapi | PrepayKind::App | PrepayKind::Native => {
            Duration::from_secs(2 * 60 * 60)
        }
    }
}
