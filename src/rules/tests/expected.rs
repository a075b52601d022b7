//! Hand-written table of all statuses and commands. The columns are: no record, a waiting
//! payment, and `Pending`, `Closing`, `Success`, `Closed`, `Failed` and `LatePaid` orders.
//!
//! The second field contains the times. `soon` is one minute after creation and prepay, `later`
//! is one hour. `expired` is one minute after the order's expiry, `overdue` is eleven minutes.
//! `=` repeats the cell to the left.

#[rustfmt::skip]
pub(super) const EXPECTED: &[&str] = &[
    // Rows of `create`: one order per number, and one pending or paid order per reference.
    "create: the same fields | always | Created → Pending: Created; Query in 5 s | CreatedAndPaid → Success: Created + Paid | Exists | = | = | = | = | =",
    "create: another payer | always | Created → Pending: Created; Query in 5 s | Created → Pending: Created + AnomalyReclassified(IdentityMismatch); Query in 5 s | ExistsWithDifferent | = | = | = | = | =",
    "create: the reference of a pending order with the same fields | always | Exists | = | ExistsWithDifferent | = | = | = | = | =",
    "create: the reference of another pending order | always | ReferenceBusy | = | ExistsWithDifferent | = | = | = | = | =",
    "create: the reference of a paid order | always | ReferencePaid | = | ExistsWithDifferent | = | = | = | = | =",
    "annotate: at its version | always | NotFound | = | Annotated: Annotated | = | = | = | = | =",
    "annotate: at an older version | always | NotFound | = | VersionMoved | = | = | = | = | =",
    "record_prepay | always | NotFound | = | Recorded: PrepayRecorded | NotPayable | AlreadyPaid | NotPayable | = | AlreadyPaid",

    // Rows of `confirm`: reports of payments X and Y.
    "confirm: X, which fits | always | Unclaimed, no ack: AnomalyRaised(Unclaimed) | Duplicate, no ack | Applied → Success: Paid | = | Duplicate | Late → LatePaid: PaidLate | = | Duplicate",
    "confirm: Y, which fits | always | Unclaimed, no ack: AnomalyRaised(Unclaimed) | = | Applied → Success: Paid | = | DoublePayment: AnomalyRaised(DoublePayment) | Late → LatePaid: PaidLate | = | DoublePayment: AnomalyRaised(DoublePayment)",
    "confirm: the transaction of another order | always | Unclaimed, no ack: AnomalyRaised(Unclaimed) | = | TransactionTaken: AnomalyRaised(TransactionTaken) | = | = | = | = | =",
    "confirm: another payer | always | Unclaimed, no ack: AnomalyRaised(Unclaimed) | = | IdentityMismatch: AnomalyRaised(IdentityMismatch) | = | = | = | = | =",
    "confirm: another amount | always | Unclaimed, no ack: AnomalyRaised(Unclaimed) | = | AmountMismatch: AnomalyRaised(AmountMismatch) | = | = | = | = | =",
    "confirm: another amount, again | always | Duplicate, no ack | = | Duplicate | = | = | = | = | =",

    // Rows of `record_query`: answers of the channel to queries.
    "record_query: SUCCESS of X | always | Payment(Unclaimed), no ack: AnomalyRaised(Unclaimed) | Payment(Duplicate), no ack | Payment(Applied) → Success: Paid | = | Payment(Duplicate) | Payment(Late) → LatePaid: PaidLate | = | Payment(Duplicate)",
    "record_query: REFUND of X | always | Payment(Unclaimed), no ack: AnomalyRaised(Unclaimed) | Payment(Duplicate), no ack | RefundUnknown(Applied) → Success: Paid + AnomalyRaised(RefundUnknown) | = | RefundUnknown(Duplicate): AnomalyRaised(RefundUnknown) | RefundUnknown(Late) → LatePaid: PaidLate + AnomalyRaised(RefundUnknown) | = | RefundUnknown(Duplicate): AnomalyRaised(RefundUnknown)",
    "record_query: NOTPAY | soon later | NotFound | = | StillPending: Checked; Query in 30 s | StillClosing | Stale | = | = | =",
    "record_query: NOTPAY | expired overdue | NotFound | = | Moved → Closing: CloseBegan; AskClose now | StillClosing | Stale | = | = | =",
    "record_query: USERPAYING | soon later | NotFound | = | StillPending: Checked; Query in 30 s | StillClosing | Stale | = | = | =",
    "record_query: USERPAYING | expired overdue | NotFound | = | Moved → Closing: CloseBegan; AskClose now | StillClosing | Stale | = | = | =",
    "record_query: ACCEPT | soon later | NotFound | = | StillPending: Checked; Query in 30 s | StillClosing | Stale | = | = | =",
    "record_query: ACCEPT | expired overdue | NotFound | = | Moved → Closing: CloseBegan; AskClose now | StillClosing | Stale | = | = | =",
    "record_query: CLOSED | always | NotFound | = | Moved → Closed: Closed | = | Stale | Already | = | Stale",
    "record_query: PAYERROR | always | NotFound | = | Moved → Closing: CloseBegan; AskClose now | StillClosing | ChannelDisagrees: AnomalyRaised(ChannelDisagrees) | Already | = | ChannelDisagrees: AnomalyRaised(ChannelDisagrees)",
    "record_query: REVOKED | always | NotFound | = | Moved → Failed: Failed | = | Reversed: AnomalyRaised(Reversed) | Already | = | ChannelDisagrees: AnomalyRaised(ChannelDisagrees)",
    "record_query: no such order | soon | NotFound | = | StillPending: Checked; Query in 30 s | StillClosing | ChannelDisagrees: AnomalyRaised(ChannelDisagrees) | Already | = | ChannelDisagrees: AnomalyRaised(ChannelDisagrees)",
    "record_query: no such order | later expired | NotFound | = | StillPending: Checked; Query in 30 s | Moved → Closed: Closed | ChannelDisagrees: AnomalyRaised(ChannelDisagrees) | Already | = | ChannelDisagrees: AnomalyRaised(ChannelDisagrees)",
    "record_query: no such order | overdue | NotFound | = | Moved → Closed: Closed | = | ChannelDisagrees: AnomalyRaised(ChannelDisagrees) | Already | = | ChannelDisagrees: AnomalyRaised(ChannelDisagrees)",

    // Rows that close an order. `MustQuery` for a pending order writes no event, because its query
    // is already due.
    "begin_close | soon | NotFound | = | Closing → Closing: CloseBegan; AskClose in 4 min | Already | AlreadyPaid | Already | = | AlreadyPaid",
    "begin_close | later expired overdue | NotFound | = | Closing → Closing: CloseBegan; AskClose now | Already | AlreadyPaid | Already | = | AlreadyPaid",
    "record_close: Closed | always | NotFound | = | MustQuery | MustQuery: Checked; Query now | AlreadyPaid | Already | = | AlreadyPaid",
    "record_close: Closed, believed | always | NotFound | = | Closed → Closed: Closed | = | AlreadyPaid | Already | = | AlreadyPaid",
    "record_close: OrderPaid | always | NotFound | = | MustQuery | MustQuery: Checked; Query now | AlreadyPaid | Already | = | AlreadyPaid",
    "record_close: NoSuchOrder | soon | NotFound | = | StillPending: Checked; AskClose in 4 min | StillClosing | AlreadyPaid | Already | = | AlreadyPaid",
    "record_close: NoSuchOrder | later expired overdue | NotFound | = | Closed → Closed: Closed | = | AlreadyPaid | Already | = | AlreadyPaid",
    "record_close: Retry | soon | NotFound | = | StillPending: Checked; AskClose in 4 min | StillClosing: Checked; AskClose in 4 min | AlreadyPaid | Already | = | AlreadyPaid",
    "record_close: Retry | later expired overdue | NotFound | = | StillPending: Checked; AskClose in 30 s | StillClosing: Checked; AskClose in 30 s | AlreadyPaid | Already | = | AlreadyPaid",
    "abort_close | always | NotFound | = | NotClosing | Reopened → Pending: CloseAborted; Query in 5 s | NotClosing | = | = | =",

    "record_unanswered: when a query is due | always | NotFound | = | StillPending: Checked; Query in 30 s | StillClosing: Checked; AskClose in 30 s | Stale | Already | = | Stale",
    "end_order | soon later expired | NotFound | = | TooEarly | = | AlreadyPaid | Already | = | AlreadyPaid",
    "end_order | overdue | NotFound | = | Closed → Closed: EndedByPerson | = | AlreadyPaid | Already | = | AlreadyPaid",

    // Rows with decisions of a person. The only anomalies here are an unclaimed and a late payment.
    "resolve: Accept the first anomaly | always | NotFound | NotAcceptable | NotFound | = | = | = | = | Resolved → Success: AnomalyEnded(Accepted)",
    "resolve: Refund the first anomaly | always | NotFound | Resolved: AnomalyEnded(Refunded) + RefundOpened | NotFound | = | = | = | = | Resolved: AnomalyEnded(Refunded) + RefundOpened",
    "resolve: Dismiss the first anomaly | always | NotFound | Resolved: AnomalyEnded(Dismissed) | NotFound | = | = | = | = | Resolved: AnomalyEnded(Dismissed)",
    "hide | always | NotFound | = | NotEnded | = | Hidden: Hidden | = | = | =",
    "hide: again | always | NotFound | = | NotEnded | = | Already | = | = | =",
    "unhide | always | NotFound | = | Already | = | = | = | = | =",
    // Rows of refunds. An unclaimed payment can be refunded, too.
    "request_refund: a part of X | always | NotFound | Requested: RefundOpened | NotPaid | = | Requested: RefundOpened | NotPaid | = | Requested: RefundOpened",
    "request_refund: the same again | always | NotFound | Exists | NotPaid | = | Exists | NotPaid | = | Exists",
    "request_refund: more than is left of X | always | NotFound | Refused(Exceeds) | NotPaid | = | Refused(Exceeds) | NotPaid | = | Refused(Exceeds)",
    "record_refund: PROCESSING of one that was requested | always | Unclaimed, no ack: RefundOpened | Moved, no ack: RefundMoved | Adopted: RefundOpened | = | Moved: RefundMoved | Adopted: RefundOpened | = | Moved: RefundMoved",
    "record_refund: SUCCESS of one that was requested | always | Unclaimed, no ack: RefundOpened | Moved, no ack: RefundMoved | Adopted: RefundOpened | = | Moved: RefundMoved | Adopted: RefundOpened | = | Moved: RefundMoved",
    "record_refund: CLOSED of one that was requested | always | Unclaimed, no ack: RefundOpened | Moved, no ack: RefundMoved | Adopted: RefundOpened | = | Moved: RefundMoved | Adopted: RefundOpened | = | Moved: RefundMoved",
    "record_refund: ABNORMAL of one that was requested | always | Unclaimed, no ack: RefundOpened | Moved, no ack: RefundMoved | Adopted: RefundOpened | = | Moved: RefundMoved | Adopted: RefundOpened | = | Moved: RefundMoved",
    "record_refund: SUCCESS again | always | Duplicate, no ack | = | Duplicate | = | = | = | = | =",
    "record_refund: SUCCESS of another amount | always | Unclaimed, no ack: RefundOpened | Moved, no ack: RefundMoved + AnomalyRaised(RefundDiffers) | Adopted: RefundOpened | = | Moved: RefundMoved + AnomalyRaised(RefundDiffers) | Adopted: RefundOpened | = | Moved: RefundMoved + AnomalyRaised(RefundDiffers)",
    "record_refund: SUCCESS of one made elsewhere | always | Unclaimed, no ack: RefundOpened | = | Adopted: RefundOpened | = | = | = | = | =",
    "record_refund: SUCCESS of more than X paid | always | Unclaimed, no ack: RefundOpened | Exceeds, no ack: AnomalyRaised(RefundExceeds) | Adopted: RefundOpened | = | Exceeds: AnomalyRaised(RefundExceeds) | Adopted: RefundOpened | = | Exceeds: AnomalyRaised(RefundExceeds)",
    "record_refund_refused: one that was requested | always | NotFound | Closed: RefundMoved | NotFound | = | Closed: RefundMoved | NotFound | = | Closed: RefundMoved",
    "record_refund_unanswered: one that is due | always | NotFound | PutOff: RefundChecked | NotFound | = | PutOff: RefundChecked | NotFound | = | PutOff: RefundChecked",
    "record_refund_refused: one that is processing | always | NotRequested | = | = | = | = | = | = | =",

    // Rows of `import`, which never reverts an order to an earlier status.
    "import: paid by X, skip | always | Imported → Success: Imported | Imported → Success: Imported + AnomalyEnded(Settled) | SkippedDiffers | = | Skipped | SkippedDiffers | = | Skipped",
    "import: paid by X, advance | always | Imported → Success: Imported | Imported → Success: Imported + AnomalyEnded(Settled) | Advanced(Some(Applied)) → Success: Paid | = | Exists | Advanced(Some(Late)) → LatePaid: PaidLate | = | Exists",
    "import: closed, advance | always | Imported → Closed: Imported | Imported → LatePaid: Imported + PaidLate | Exists | = | = | = | = | =",

    // Row of an order that the user hid from the list of orders.
    "unhide: what was hidden | always | NotFound | = | Already | = | Shown: Unhidden | = | = | =",
];
