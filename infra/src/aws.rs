//! How this program reaches AWS, or what stands for it.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::ProvideCredentials as _;
use aws_sdk_dynamodb::config::Credentials;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};

use crate::Trouble;
use crate::cloud::LOCAL_REGION;

/// The usual configuration (environment, profile, SSO, instance). An emulator on plain HTTP needs
/// none of it: where the environment names no region and no key, it is given some.
pub(crate) async fn config(endpoint: Option<&str>) -> SdkConfig {
    let http = aws_smithy_http_client::Builder::new();
    let plain = endpoint.is_some_and(|url| url.starts_with("http://"));
    let http = if plain {
        http.build_http()
    } else {
        http.tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https()
    };
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http);
    if let Some(endpoint) = endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    let said = |name| std::env::var_os(name).is_some();
    if plain && !said("AWS_PROFILE") {
        if !said("AWS_REGION") && !said("AWS_DEFAULT_REGION") {
            loader = loader.region(Region::new(LOCAL_REGION));
        }
        if !said("AWS_ACCESS_KEY_ID") {
            let credentials = Credentials::new("local", "local", None, None, "emulator");
            loader = loader.credentials_provider(credentials);
        }
    }
    loader.load().await
}

/// Whether there are a region and credentials at all, so that whoever has none is told so once.
///
/// # Errors
/// When there are none.
pub(crate) async fn ready(endpoint: Option<&str>) -> Result<(), Trouble> {
    let config = config(endpoint).await;
    let missing = |what: &str, said: String| Trouble::Account { action: what.to_owned(), said };
    if config.region().is_none() {
        return Err(missing(
            "there is no AWS region",
            "set AWS_REGION, or run `aws configure`".to_owned(),
        ));
    }
    let provider = config.credentials_provider();
    let found = match &provider {
        None => Err("none are configured".to_owned()),
        Some(provider) => provider.provide_credentials().await.map_err(|error| error.to_string()),
    };
    found.map(drop).map_err(|said| {
        missing(
            "there are no AWS credentials",
            format!("{said}: run `aws configure` or `aws sso login`, or set AWS_PROFILE"),
        )
    })
}
