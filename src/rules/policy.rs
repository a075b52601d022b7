//! Settings of the rules: deadlines, check intervals and channel limits.

use std::time::Duration;

use crate::number::usize_of;
use crate::order::{ActionKind, NextAction, Order, PrepayKind};
use crate::types::{Channel, Timestamp};

/// Settings of the rules, chosen by the merchant.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Policy {
    /// Whether to leave a mismatched payment unacknowledged, so that the channel repeats it. A
    /// payment is mismatched if its transaction belongs to another order or is refunded, or if its
    /// identity, amount or currency differs from that of the order. The store keeps such a payment
    /// as an anomaly in both modes. The repeat of a payment that the same record refunds is
    /// acknowledged. Default: `false`.
    pub strict: bool,
    /// Time from the creation of an order to its expiry, if `NewOrder` sets no expiry. Default: 7
    /// days.
    pub expires_after: Duration,
    /// Extra time after an order's expiry. After this extra time, the store closes an order that
    /// the channel does not know, and a person may end any unpaid order. Default: 10 minutes.
    pub grace: Duration,
    /// Minimum time from the last prepay to a close request. Default: 5 minutes, which WeChat
    /// v2 and its service providers need; 0 is enough for v3.
    pub close_after: Duration,
    /// Whether a query must confirm the channel's reply "closed", because WeChat v3 gives this
    /// reply (204) even for an order number that it never received. Default: `true`.
    pub close_needs_query: bool,
    /// Delays before the queries about an unpaid order: after its creation, then after each
    /// check. The last delay repeats. Default: 5 s, 30 s, 1, 3, 5, 10, 30 min.
    pub check_after: Vec<Duration>,
    /// Delays before the queries about a refund: after its request, then after each check. The last
    /// delay repeats. Default: five times 1 min, then 5, 10, 20, 30 min.
    pub refund_check_after: Vec<Duration>,
    /// Limits of each channel. Default: [`ChannelPolicy::WECHAT`] for `wechat`. A channel that
    /// is not listed has [`ChannelPolicy::UNLIMITED`].
    pub channels: Vec<(Channel, ChannelPolicy)>,
}

/// Limits of one payment channel.
///
/// ```
/// # use orderstore::ChannelPolicy;
/// let alipay = ChannelPolicy::UNLIMITED
///     .with_pays_once(true)
///     .with_refund_window(Some(std::time::Duration::from_secs(90 * 24 * 3600)))
///     .with_refund_parts(Some(20));
/// assert!(alipay.pays_once && alipay.refund_parts == Some(20));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChannelPolicy {
    /// Whether the channel accepts at most one payment per order number. If that payment was
    /// refunded or dismissed, no other payment can come under the number.
    pub pays_once: bool,
    /// Time after a payment in which the channel accepts refunds of it; `None` for no limit.
    pub refund_window: Option<Duration>,
    /// Maximum number of refunds of one transaction; `None` for no limit. Closed and returned
    /// refunds do not count.
    pub refund_parts: Option<usize>,
}

impl ChannelPolicy {
    /// A channel without limits. It may accept a second payment for an order number.
    pub const UNLIMITED: Self = Self {
        pays_once: false,
        refund_window: None,
        refund_parts: None,
    };

    /// Limits of WeChat Pay: one payment per order number, and at most 50 refunds of a payment
    /// within 365 days.
    pub const WECHAT: Self = Self {
        pays_once: true,
        refund_window: Some(Duration::from_secs(365 * 24 * 60 * 60)),
        refund_parts: Some(50),
    };

    /// Sets whether the channel accepts at most one payment per order number.
    #[must_use]
    pub const fn with_pays_once(mut self, pays_once: bool) -> Self {
        self.pays_once = pays_once;
        self
    }

    /// Sets the time after a payment in which the channel accepts refunds.
    #[must_use]
    pub const fn with_refund_window(mut self, window: Option<Duration>) -> Self {
        self.refund_window = window;
        self
    }

    /// Sets the maximum number of refunds of one transaction.
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
    /// Returns the limits of this channel, or [`ChannelPolicy::UNLIMITED`] if it is not listed.
    #[must_use]
    pub fn channel(&self, channel: Channel) -> ChannelPolicy {
        let mut listed = self.channels.iter();
        let found = listed.find(|(listed, _)| *listed == channel);
        found.map_or(ChannelPolicy::UNLIMITED, |(_, policy)| *policy)
    }

    /// Returns the next query for an order after `checks` checks.
    pub(super) fn next_check(&self, now: Timestamp, checks: u32) -> NextAction {
        NextAction {
            at: now.saturating_add(delay_after(&self.check_after, checks)),
            action: ActionKind::Query,
        }
    }

    /// Returns the time of the next query for a refund after `checks` checks.
    pub(super) fn refund_check(&self, now: Timestamp, checks: u32) -> Timestamp {
        now.saturating_add(delay_after(&self.refund_check_after, checks))
    }

    /// Returns the earliest time, from `now` on, for a request to the channel to close `order`.
    pub(super) fn closable_from(&self, order: &Order, now: Timestamp) -> Timestamp {
        let prepaid = order.prepay.as_ref().map(|prepay| prepay.recorded_at);
        prepaid.map_or(now, |at| at.saturating_add(self.close_after).max(now))
    }
}

/// Returns the delay after `checks` checks; the last delay repeats. Returns one minute for an empty
/// list, which the store's builder rejects, so that no input can panic.
fn delay_after(delays: &[Duration], checks: u32) -> Duration {
    let last = delays.last();
    delays
        .get(usize_of(checks))
        .or(last)
        .copied()
        .unwrap_or(MINUTE)
}

/// Returns how long a prepay of this kind is valid at the channel.
pub(super) const fn life_of(kind: PrepayKind) -> Duration {
    match kind {
        PrepayKind::H5 => Duration::from_secs(5 * 60),
        PrepayKind::Jsapi | PrepayKind::App | PrepayKind::Native => {
            Duration::from_secs(2 * 60 * 60)
        }
    }
}
