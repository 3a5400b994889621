//! `claim`: a certificate of the device's own, by one that many devices share. AWS calls it fleet
//! provisioning by claim.
//!
//! (AWS IoT Core developer guide, "Device provisioning MQTT API": a request on `…/json` is answered on
//! `…/json/accepted` or `…/json/rejected`; the token of the new certificate holds for an hour.) With
//! `--csr` the device's key never leaves it: what is sent is a request that was signed with it.
//! Without, AWS makes the key too.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value as Json, json};
use tidings_schema::DeviceId;

use super::{ConfigArgument, Failure, connect};
use crate::config::{Config, MqttConfig};
use crate::uplink::mqtt::{Link, LinkEvent, Settings};

/// Where a certificate is asked for, for a key that is there; and where one with a key.
const CREATE_FROM_CSR: &str = "$aws/certificates/create-from-csr/json";
const CREATE: &str = "$aws/certificates/create/json";

/// How long the cloud may take for an answer. AWS answers within a second or two.
const ANSWER_PATIENCE: Duration = Duration::from_secs(30);

/// What is asked for.
#[derive(Debug, clap::Args)]
pub(crate) struct ClaimArguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// The certificate that devices share to claim their own.
    #[arg(long, value_name = "FILE")]
    claim_certificate: PathBuf,
    /// Its key.
    #[arg(long, value_name = "FILE")]
    claim_key: PathBuf,
    /// The request for this device's certificate, signed with the key that the configuration names:
    /// openssl req -new -key private.pem.key -subj /CN=THING -out thing.csr. Without it AWS makes
    /// the key as well.
    #[arg(long, value_name = "FILE")]
    csr: Option<PathBuf>,
    /// Name of the provisioning template.
    #[arg(long, value_name = "NAME", default_value = "tidings-fleet")]
    template: String,
}

/// Claims a certificate, unless there is one. Interrupted anywhere, it goes on when it is run again.
pub(crate) async fn claim(arguments: &ClaimArguments) -> Result<(), Failure> {
    let config = arguments.config.load()?;
    let certificate = &config.mqtt.certificate;
    if certificate.exists() {
        tracing::info!(certificate = %certificate.display(), "there is a certificate already");
        return Ok(());
    }
    let claimed = Claimed::of(&config.mqtt);
    if claimed.certificate.exists() && claimed.is_good(&config).await {
        claimed.keep(&config.mqtt)?;
        tracing::info!(certificate = %certificate.display(), "claimed before, and good");
        return Ok(());
    }
    let (create, request) = match &arguments.csr {
        None => (CREATE, json!({})),
        Some(path) => {
            let request = fs::read_to_string(path)
                .map_err(|error| Failure::Usage(format!("--csr {}: {error}", path.display())))?;
            (CREATE_FROM_CSR, json!({"certificateSigningRequest": request}))
        }
    };
    let mqtt = MqttConfig {
        certificate: arguments.claim_certificate.clone(),
        key: arguments.claim_key.clone(),
        ..config.mqtt.clone()
    };
    // A client id of its own: two that share one would throw each other out for ever.
    let client = DeviceId::try_from(format!("claim-{}", config.device))
        .map_err(|error| Failure::Usage(format!("device: {error} with claim- before it")))?;
    let mut link = connect(&Settings::from_config(&client, &mqtt)?).await?;
    let made = ask(&mut link, create, request).await?;
    let text = |key: &str| made[key].as_str().ok_or_else(|| incomplete(create, key));
    // Kept before the door opens: a certificate that is registered and lost could not be had again.
    match arguments.csr {
        None => write_private(&claimed.key, text("privateKey")?)?,
        Some(_) => remove(&claimed.key)?,
    }
    write_private(&claimed.certificate, text("certificatePem")?)?;
    let topic = format!("$aws/provisioning-templates/{}/provision/json", arguments.template);
    let asked = json!({
        "certificateOwnershipToken": text("certificateOwnershipToken")?,
        "parameters": {"ThingName": config.device.as_str()},
    });
    let registered = ask(&mut link, &topic, asked).await?;
    link.close().await;
    if registered["thingName"] != config.device.as_str() {
        return Err(Failure::Claim {
            topic,
            said: format!("made the thing {}, and not {}", registered["thingName"], config.device),
        });
    }
    claimed.keep(&config.mqtt)?;
    tracing::info!(device = %config.device, certificate = %certificate.display(), "claimed");
    Ok(())
}

/// What was given, until the thing is registered: beside its last place.
struct Claimed {
    certificate: PathBuf,
    /// Only where AWS made it.
    key: PathBuf,
}

impl Claimed {
    fn of(mqtt: &MqttConfig) -> Self {
        Self {
            certificate: with_suffix(&mqtt.certificate, "claimed"),
            key: with_suffix(&mqtt.key, "claimed"),
        }
    }

    /// Whether the broker takes a connection with it.
    async fn is_good(&self, config: &Config) -> bool {
        let key = if self.key.exists() { &self.key } else { &config.mqtt.key };
        let mqtt = MqttConfig {
            certificate: self.certificate.clone(),
            key: key.clone(),
            ..config.mqtt.clone()
        };
        let Ok(settings) = Settings::from_config(&config.device, &mqtt) else { return false };
        match connect(&settings).await {
            Ok(link) => {
                link.close().await;
                true
            }
            Err(_) => false,
        }
    }

    /// Puts it to its last place: the key first, for it is the certificate that is looked for.
    fn keep(&self, mqtt: &MqttConfig) -> io::Result<()> {
        if self.key.exists() {
            fs::rename(&self.key, &mqtt.key)?;
        }
        fs::rename(&self.certificate, &mqtt.certificate)
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Asks, and gives the answer.
async fn ask(link: &mut Link, topic: &str, request: Json) -> Result<Json, Failure> {
    let accepted = format!("{topic}/accepted");
    for filter in [&accepted, &format!("{topic}/rejected")] {
        if !link.subscribe(filter).await {
            return Err(Failure::Subscribe { filter: filter.clone() });
        }
    }
    let said = |said: String| Failure::Claim { topic: topic.to_owned(), said };
    // The answer tells more than the acknowledgement.
    let _delivery = link.publish(topic, request.to_string().into_bytes())?;
    let answer = async {
        loop {
            match link.next().await {
                LinkEvent::Message { topic: on, payload } if on.starts_with(topic) => {
                    return Ok((on == accepted, payload));
                }
                LinkEvent::Message { .. } | LinkEvent::Connected => {}
                LinkEvent::Closed(error) => {
                    return Err(said(format!(
                        "{error}: does the claim's policy allow this topic? See fleet.yaml"
                    )));
                }
            }
        }
    };
    let answer = tokio::time::timeout(ANSWER_PATIENCE, answer).await;
    let (good, payload) =
        answer.map_err(|_| said(format!("no answer within {} s", ANSWER_PATIENCE.as_secs())))??;
    let answer: Json = serde_json::from_slice(&payload)
        .map_err(|error| said(format!("the answer is no JSON: {error}")))?;
    if good {
        return Ok(answer);
    }
    let reason = answer["errorMessage"].as_str().unwrap_or("refused without a reason");
    Err(said(reason.to_owned()))
}

fn incomplete(topic: &str, key: &str) -> Failure {
    Failure::Claim { topic: topic.to_owned(), said: format!("the answer has no {key}") }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    name.into()
}

/// Writes a file that only its owner can read, whole or not at all.
fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let temporary = with_suffix(path, "new");
    let mut file: File = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&temporary, path)
}
