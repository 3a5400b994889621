//! The devices: their certificates and policies, and when each was heard last.

use std::collections::BTreeMap;
use std::time::Duration;

use tidings_schema::UnixMillis;

use super::super::facts::{Device, Facts};
use super::Report;

/// How long before its end a certificate is to be replaced, in seconds.
const EXPIRES_SOON: i64 = 30 * 86_400;

pub(super) fn check(facts: &Facts, now: UnixMillis, silent_after: Duration, report: &mut Report) {
    let heard = last_heard(facts);
    if report.fact("heard", &facts.heard).is_none() {
        return;
    }
    if let Some(devices) = report.fact("devices", &facts.devices) {
        registry(devices, &heard, now, report);
    }
    let limit = i64::try_from(silent_after.as_millis()).unwrap_or(i64::MAX);
    let silent: Vec<String> = heard
        .iter()
        .filter(|(_, at)| now.get().saturating_sub(at.get()) > limit)
        .map(|(device, at)| format!("{device} ({} ago)", ago(now, *at)))
        .collect();
    if heard.is_empty() {
        report.warn("heard", "no device has been heard yet", "tidings-agent check, on a device");
    } else if silent.is_empty() {
        report.good("heard", format!("{} devices, and none is silent", heard.len()));
    } else {
        report.warn(
            "heard",
            format!(
                "{} of {} devices are silent: {}",
                silent.len(),
                heard.len(),
                silent.join(", ")
            ),
            "tidings-agent check and journalctl -u tidings-agent, on the device",
        );
    }
}

/// When each device was heard last.
pub(in super::super) fn last_heard(facts: &Facts) -> BTreeMap<&str, UnixMillis> {
    let mut last: BTreeMap<&str, UnixMillis> = BTreeMap::new();
    for heard in facts.heard.iter().flatten() {
        let at = last.entry(heard.device.as_str()).or_insert(heard.last_seen);
        *at = heard.last_seen.max(*at);
    }
    last
}

/// A span in words.
pub(in super::super) fn ago(now: UnixMillis, at: UnixMillis) -> String {
    let seconds = now.get().saturating_sub(at.get()) / 1000;
    match seconds {
        ..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

fn registry(
    devices: &[Device],
    heard: &BTreeMap<&str, UnixMillis>,
    now: UnixMillis,
    report: &mut Report,
) {
    let has_policy = |device: &Device| device.certificates.iter().any(|(_, policy)| *policy);
    let ours: Vec<&Device> = devices
        .iter()
        .filter(|device| has_policy(device) || heard.contains_key(device.thing.as_str()))
        .collect();
    let (mut wrong, mut soon) = (Vec::new(), Vec::new());
    for device in &ours {
        let thing = &device.thing;
        let usable = |(certificate, policy): &&(_, bool)| {
            let certificate: &crate::account::iot::Certificate = certificate;
            *policy && certificate.active
        };
        if device.certificates.is_empty() {
            wrong.push(format!("{thing} has no certificate"));
        } else if !has_policy(device) {
            wrong.push(format!("{thing}: no certificate of it has the policy"));
        } else if !device.certificates.iter().any(|one| usable(&one)) {
            wrong.push(format!("{thing}: its certificate is not active"));
        }
        for (certificate, _) in device.certificates.iter().filter(|(one, _)| one.active) {
            let left = certificate.expires.map(|end| end - now.seconds());
            if let Some(left) = left.filter(|left| *left < EXPIRES_SOON) {
                soon.push(format!("{thing} in {} days", left / 86_400));
            }
        }
    }
    let unknown: Vec<&str> = heard
        .keys()
        .filter(|name| !devices.iter().any(|device| device.thing == **name))
        .copied()
        .collect();
    if !unknown.is_empty() {
        report.warn(
            "devices",
            format!("heard before, and no thing any more: {}", unknown.join(", ")),
            "nothing, if they were taken back on purpose",
        );
    }
    report.all_of(
        "devices",
        format!("{} things with certificate and policy", ours.len()),
        wrong,
        "tidings provision THING --aws --out DIR, with its folder, puts it right",
    );
    if !soon.is_empty() {
        report.warn(
            "certificates",
            format!("certificates end soon: {}", soon.join(", ")),
            "tidings provision THING --aws --rotate",
        );
    }
}
