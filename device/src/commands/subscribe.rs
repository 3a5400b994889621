//! `subscribe`: prints what arrives on a topic, one line `topic payload` per message.

use std::io::Write as _;

use tidings_schema::Topic;

use super::{Failure, connect};
use crate::config::Config;
use crate::uplink::mqtt::{LinkEvent, Settings};

pub(crate) async fn subscribe(
    config: &Config,
    filter: Option<String>,
    count: Option<u64>,
) -> Result<(), Failure> {
    let filter = filter.unwrap_or_else(|| Topic::commands(&config.device).to_string());
    let settings = Settings::from_config(&config.device, &config.mqtt)?;
    let mut link = connect(&settings).await?;
    if !link.subscribe(&filter).await {
        return Err(Failure::Subscribe { filter });
    }
    tracing::info!(filter, "subscribed");
    let mut left = count;
    while left != Some(0) {
        let event = tokio::select! {
            event = link.next() => event,
            // Ctrl-C is the way to end this command.
            _ = tokio::signal::ctrl_c() => break,
        };
        match event {
            LinkEvent::Connected => {}
            LinkEvent::Message { topic, payload } => {
                let mut out = std::io::stdout().lock();
                writeln!(out, "{topic} {}", String::from_utf8_lossy(&payload))?;
                out.flush()?;
                left = left.map(|left| left.saturating_sub(1));
            }
            LinkEvent::Closed(source) => {
                let (endpoint, port) = (settings.endpoint, settings.port);
                return Err(Failure::Connect { endpoint, port, source });
            }
        }
    }
    link.close().await;
    Ok(())
}
