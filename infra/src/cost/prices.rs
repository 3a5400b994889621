//! Prices of us-east-1 in US dollars, on demand, without the free tier.

/// When they were looked up.
pub(super) const DATED: &str = "2026-11";

/// What things cost. From AWS's price pages: aws.amazon.com/iot-core/pricing, /lambda/pricing,
/// /dynamodb/pricing/on-demand, /sqs/pricing, /cloudwatch/pricing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Prices {
    /// A million minutes of connection.
    pub(super) connection_minutes: f64,
    /// A million messages of up to 5 KB each, through the message broker.
    pub(super) messages: f64,
    /// A million times a rule is triggered, for 5 KB each.
    pub(super) rules: f64,
    /// A million actions of a rule, for 5 KB each.
    pub(super) actions: f64,
    /// A million invocations.
    pub(super) invocations: f64,
    /// A gigabyte-second on arm64.
    pub(super) gigabyte_seconds: f64,
    /// A million write request units: one for each started kilobyte of an item.
    pub(super) writes: f64,
    /// A million read request units: 4 KB each, consistent, or 8 KB otherwise.
    pub(super) reads: f64,
    /// A gigabyte in tables for a month.
    pub(super) storage: f64,
    /// The same for point-in-time recovery.
    pub(super) recovery: f64,
    /// A gigabyte of logs taken in.
    pub(super) logs: f64,
    /// A metric of one's own for a month.
    pub(super) metric: f64,
    /// An alarm for a month.
    pub(super) alarm: f64,
    /// A dashboard for a month.
    pub(super) dashboard: f64,
    /// A million requests to SQS.
    pub(super) queue_requests: f64,
}

/// The table.
pub(super) const PRICES: Prices = Prices {
    connection_minutes: 0.08,
    messages: 1.00,
    rules: 0.15,
    actions: 0.15,
    invocations: 0.20,
    gigabyte_seconds: 0.000_013_333_4,
    writes: 0.625,
    reads: 0.125,
    storage: 0.25,
    recovery: 0.20,
    logs: 0.50,
    metric: 0.30,
    alarm: 0.10,
    dashboard: 3.00,
    queue_requests: 0.40,
};
