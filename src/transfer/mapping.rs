//! How to read another system's books: what is said explicitly, since it cannot be guessed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::amount::Amounts;
use crate::order::Status;
use crate::types::{AppId, MchId};

/// What a field of other books is to an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Field {
    /// `outTradeNo`: its number, as a text.
    No,
    /// `_openid`: who made it.
    Openid,
    /// `appid`: the app that it was made in.
    Appid,
    /// `mchId`: the merchant that it is paid to.
    MchId,
    /// `totalFee`: what is to be paid.
    TotalFee,
    /// `feeType`: in which currency; CNY where it is missing.
    FeeType,
    /// `payStatus`: where it stands.
    PayStatus,
    /// `createTime`: when it was created.
    CreateTime,
    /// `updateTime`: when it last changed; the creation where it is missing.
    UpdateTime,
    /// `deleteTime`: when its user deleted it from the list.
    DeleteTime,
    /// `transactionId`: the channel's number of the payment.
    TransactionId,
    /// `timeEnd`: when it was paid, by the channel's clock.
    TimeEnd,
    /// `description`: what the customer read on the bill.
    Description,
    /// `attach`: what the channel handed back.
    Attach,
}

impl Field {
    /// The name that it bears where nothing else is said.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::No => "outTradeNo",
            Self::Openid => "_openid",
            Self::Appid => "appid",
            Self::MchId => "mchId",
            Self::TotalFee => "totalFee",
            Self::FeeType => "feeType",
            Self::PayStatus => "payStatus",
            Self::CreateTime => "createTime",
            Self::UpdateTime => "updateTime",
            Self::DeleteTime => "deleteTime",
            Self::TransactionId => "transactionId",
            Self::TimeEnd => "timeEnd",
            Self::Description => "description",
            Self::Attach => "attach",
        }
    }
}

/// How to read another system's books, such as the `order` collection of a cloud database.
///
/// The names of the fields are those of [`Field`]. The words of `payStatus` are those that an
/// order has in JSON (`wait`, `success`, `closing`, `closed`, `failed`, `latePaid`), and those
/// that are mapped here; any other is refused. What is no field of an order is kept in its
/// metadata, as one JSON object.
///
/// ```
/// use orderstore::transfer::{Amounts, Field, Foreign};
/// use orderstore::{AppId, Status};
///
/// let books = Mapping::of(Amounts::Yuan)
///     .status("paid", Status::Success)
///     .status("cancel", Status::Closed)
///     .field(Field::TotalFee, "price")
///     .appid(AppId::parse("wxd2565e6a04246fd1")?)
///     .without("phone");
/// # Ok::<(), orderstore::IdError>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Mapping {
    pub(super) amounts: Amounts,
    pub(super) statuses: BTreeMap<String, Status>,
    pub(super) appid: Option<AppId>,
    pub(super) mch_id: Option<MchId>,
    pub(super) expires_after: Duration,
    pub(super) without: BTreeSet<String>,
    names: BTreeMap<Field, String>,
}

impl Mapping {
    /// Books whose amounts are in this unit.
    pub fn of(amounts: Amounts) -> Self {
        let own = Status::ALL.into_iter();
        Self {
            amounts,
            statuses: own
                .map(|status| (status.as_str().to_owned(), status))
                .collect(),
            appid: None,
            mch_id: None,
            expires_after: Duration::from_secs(7 * 24 * 60 * 60),
            without: BTreeSet::new(),
            names: BTreeMap::new(),
        }
    }

    /// What a word of these books means, instead of what it means here.
    pub fn status(mut self, word: impl Into<String>, status: Status) -> Self {
        self.statuses.insert(word.into(), status);
        self
    }

    /// The name that a field has in these books.
    pub fn field(mut self, field: Field, name: impl Into<String>) -> Self {
        self.names.insert(field, name.into());
        self
    }

    /// The app of the orders that name none.
    pub fn appid(mut self, appid: AppId) -> Self {
        self.appid = Some(appid);
        self
    }

    /// The merchant of the orders that name none.
    pub fn mch_id(mut self, mch_id: MchId) -> Self {
        self.mch_id = Some(mch_id);
        self
    }

    /// How long after its creation an order could be paid, where these books do not say.
    /// Default: 7 days.
    pub const fn expires_after(mut self, life: Duration) -> Self {
        self.expires_after = life;
        self
    }

    /// Leaves a field out that would be kept in the metadata: that is no place for names or
    /// phone numbers.
    pub fn without(mut self, name: impl Into<String>) -> Self {
        self.without.insert(name.into());
        self
    }

    pub(super) fn name(&self, field: Field) -> &str {
        self.names.get(&field).map_or(field.name(), String::as_str)
    }
}
