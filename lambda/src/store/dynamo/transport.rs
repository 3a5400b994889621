//! What the SDK is spared for each call: writing a body that is written already, and finding out an
//! endpoint that never changes. (`cargo bench -p tidings-tests --bench function` has the figures.)

use std::future::Future;
use std::sync::OnceLock;

use aws_sdk_dynamodb::config::endpoint::{
    DefaultResolver, Endpoint, EndpointFuture, Params, ResolveEndpoint,
};
use aws_sdk_dynamodb::config::interceptors::BeforeTransmitInterceptorContextMut;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use bytes::Bytes;

tokio::task_local! {
    /// The body of the call that this task is making.
    static BODY: Bytes;
}

/// Makes a call with this body in place of the one that the SDK would write.
pub(super) async fn with_body<F: Future>(body: Vec<u8>, call: F) -> F::Output {
    BODY.scope(body.into(), call).await
}

/// Puts the body into the request before it is signed.
#[derive(Debug)]
pub(super) struct OwnBody;

impl Intercept for OwnBody {
    fn name(&self) -> &'static str {
        "OwnBody"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // Calls that are not ours (of devices) have none, and keep the SDK's.
        let _none = BODY.try_with(|body| {
            let request = context.request_mut();
            request.headers_mut().insert("content-length", body.len().to_string());
            *request.body_mut() = body.clone().into();
        });
        Ok(())
    }
}

/// The endpoint that the SDK's own rules give for the first call. They look at region and settings
/// of the client, which are the same for every call.
#[derive(Debug, Default)]
pub(super) struct OneEndpoint {
    rules: DefaultResolver,
    found: OnceLock<Endpoint>,
}

impl ResolveEndpoint for OneEndpoint {
    fn resolve_endpoint<'a>(&'a self, params: &'a Params) -> EndpointFuture<'a> {
        match self.found.get() {
            Some(endpoint) => EndpointFuture::ready(Ok(endpoint.clone())),
            None => EndpointFuture::new(async move {
                let endpoint = ResolveEndpoint::resolve_endpoint(&self.rules, params).await?;
                Ok(self.found.get_or_init(|| endpoint).clone())
            }),
        }
    }
}
