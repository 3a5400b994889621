//! Reads the facts: a few calls to each service, those that do not need each other at once.

use futures_util::stream::{self, StreamExt as _};
use tidings_schema::topic::RULE_NAME;

use super::code::{self, Machine};
use super::facts::{Device, Fact, Facts};
use super::print;
use crate::account::function::Lambda;
use crate::account::iot::{Iot, certificate_id};
use crate::account::roles::Iam;
use crate::account::{alarms, names, queues, schedule};
use crate::target::Target;
use crate::{Trouble, aws};

/// Certificates that are looked at at a time: AWS IoT Core takes ten such calls a second (service
/// quotas), and the SDK waits where it is asked to.
const AT_A_TIME: usize = 4;

/// Reads everything; what cannot be read says why.
pub(super) async fn read(target: &Target, with_code: bool, progress: bool) -> Facts {
    let endpoint = target.endpoint_url.as_deref();
    let region = aws::config(endpoint).await.region().map(ToString::to_string).unwrap_or_default();
    let step = |what: &str| {
        if progress {
            print::progress(what);
        }
    };
    step("function");
    let lambda = Lambda::connect(endpoint).await;
    let (function, alias, retries, permissions, mappings, limits) = tokio::join!(
        lambda.function(),
        lambda.alias(),
        lambda.retries(),
        lambda.permissions(),
        lambda.mappings(),
        lambda.limits(),
    );
    let machine = match &alias {
        Ok(Some(_)) if with_code => machine(&lambda).await,
        _ => Ok(None),
    };
    step("rule and role");
    let iot = Iot::connect(endpoint).await;
    let iam = Iam::connect(endpoint).await;
    let role_name = names::function_role(&region);
    let (rule, rules, role) =
        tokio::join!(iot.rule(RULE_NAME), iot.count_rules(), iam.role(&role_name));
    step("tables and queues");
    let database = target.connect().await;
    let tables = target.tables();
    let (readings, quarantine, devices_table, failed, rule_errors, events, alarms, schedule) = tokio::join!(
        database.table_state(&tables.readings),
        database.table_state(&tables.quarantine),
        database.table_state(&tables.devices),
        queues::state(names::FAILED_QUEUE, endpoint),
        queues::state(names::RULE_ERRORS_QUEUE, endpoint),
        queues::state(names::EVENTS_QUEUE, endpoint),
        alarms::alarms(endpoint),
        schedule::schedule(names::TICK_RULE, endpoint),
    );
    step("devices");
    let (heard, devices) = tokio::join!(database.sensors(None), devices(&iot));
    if progress {
        print::progress("");
    }
    Facts {
        region,
        function: said(function),
        alias: said(alias),
        machine,
        role: said(role),
        retries: said(retries),
        permissions: said(permissions),
        mappings: said(mappings),
        limits: said(limits),
        rule: said(rule),
        rules: said(rules),
        tables: [
            (tables.readings, said(readings)),
            (tables.quarantine, said(quarantine)),
            (tables.devices, said(devices_table)),
        ],
        failed: said(failed),
        rule_errors: said(rule_errors),
        events: said(events),
        schedule: said(schedule),
        alarms: said(alarms),
        devices: said(devices),
        heard: said(heard),
    }
}

fn said<T>(result: Result<T, Trouble>) -> Fact<T> {
    result.map_err(|trouble| trouble.to_string())
}

async fn machine(lambda: &Lambda) -> Fact<Option<Machine>> {
    let Some(url) = said(lambda.code_url().await)? else { return Ok(None) };
    let fetched = tokio::task::spawn_blocking(move || code::fetch(&url)).await;
    fetched.map_err(|error| error.to_string())?.map(Some)
}

/// All things with their certificates.
async fn devices(iot: &Iot) -> Result<Vec<Device>, Trouble> {
    let holders = iot.holders(names::DEVICE_POLICY).await?;
    let holders = &holders;
    let things = iot.things().await?;
    let mut devices: Vec<Device> = Vec::with_capacity(things.len());
    let mut looked = stream::iter(things)
        .map(|thing| async move {
            let mut certificates = Vec::new();
            for arn in iot.principals(&thing).await?.unwrap_or_default() {
                // A thing may have principals that are no certificates, such as Cognito's.
                if !arn.contains(":cert/") {
                    continue;
                }
                if let Some(known) = iot.certificate(certificate_id(&arn)).await? {
                    certificates.push((known, holders.contains(&arn)));
                }
            }
            Ok::<_, Trouble>(Device { thing, certificates })
        })
        .buffer_unordered(AT_A_TIME);
    while let Some(device) = looked.next().await {
        devices.push(device?);
    }
    devices.sort_by(|one, other| one.thing.cmp(&other.thing));
    Ok(devices)
}
