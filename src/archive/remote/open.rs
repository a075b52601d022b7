//! From the URL of an archive to its storage.

use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::client::{HttpClient, HttpConnector};
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path;
use object_store::{BackoffConfig, ClientConfigKey, ClientOptions, ObjectStore, RetryConfig};
use reqwest::Url;
use rustls::{ClientConfig, RootCertStore};

use super::bucket::Bucket;
use super::directory::Directory;
use super::failure::{self, invalid};
use super::place::Place;
use crate::error::{OpenError, StorageError, StorageErrorKind};

/// Maximum duration of a request.
const REQUEST: Duration = Duration::from_secs(30);

/// Maximum duration of a connection attempt.
const CONNECT: Duration = Duration::from_secs(3);

/// Time after which a call starts no further attempt.
const RETRY: Duration = Duration::from_secs(20);

const FORMS: &str = "name a directory, or a bucket like s3://bucket/path, gs://bucket/path or \
                     az://container/path";

pub(super) fn place(url: &str) -> Result<Place, OpenError> {
    let Some((scheme, _)) = url.split_once("://") else {
        if url.is_empty() {
            return Err(invalid(FORMS));
        }
        return Directory::open(FilePath::new(url)).map(Place::Directory);
    };
    if !matches!(scheme, "file" | "s3" | "gs" | "az") {
        return Err(invalid(FORMS));
    }
    let url = Url::parse(url).map_err(|error| invalid(format!("{error}; {FORMS}")))?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(invalid("the URL of an archive has no part after ? or #"));
    }
    if scheme == "file" {
        let path = url.to_file_path();
        let path = path.map_err(|()| invalid("a file URL is like file:///path"))?;
        return Directory::open(&path).map(Place::Directory);
    }
    if url.password().is_some() || !url.username().is_empty() {
        let why = "the URL of an archive holds no credentials: set the environment variables of \
                   the object store";
        return Err(invalid(why));
    }
    // A directory bucket of S3 lists its objects in no order, so a part of a list could skip some.
    if url.host_str().is_some_and(|name| name.ends_with("--x-s3")) {
        return Err(invalid("a directory bucket of S3 cannot hold an archive"));
    }
    bucket(&url).map(Place::Bucket)
}

/// Builds a store with retries and a store without, from one builder. They share their credentials.
macro_rules! both {
    ($builder:expr, $url:expr) => {{
        let builder = $builder.with_url($url.as_str());
        let builder = builder.with_http_connector(Wire::new()?);
        let store = builder.clone().with_retry(retry(10)).build();
        let store = store.map_err(|error| unusable(&error))?;
        let builder = builder.with_credentials(Arc::clone(store.credentials()));
        let once = builder.with_retry(retry(0)).build();
        let once = once.map_err(|error| unusable(&error))?;
        let both: [Arc<dyn ObjectStore>; 2] = [Arc::new(store), Arc::new(once)];
        both
    }};
}

fn bucket(url: &Url) -> Result<Bucket, OpenError> {
    let [store, once] = match url.scheme() {
        "s3" => s3(AmazonS3Builder::from_env(), url)?,
        "gs" => both!(GoogleCloudStorageBuilder::from_env(), url),
        _ => both!(MicrosoftAzureBuilder::from_env(), url),
    };
    let prefix = Path::from_url_path(url.path());
    Ok(Bucket {
        store,
        once,
        prefix: prefix.map_err(|error| invalid(error.to_string()))?,
    })
}

pub(super) fn s3(
    builder: AmazonS3Builder,
    url: &Url,
) -> Result<[Arc<dyn ObjectStore>; 2], OpenError> {
    // Not every relative of S3 knows the request that deletes several objects.
    Ok(both!(builder.with_disable_bulk_delete(true), url))
}

fn unusable(error: &object_store::Error) -> OpenError {
    let why = failure::text(error);
    invalid(format!(
        "{why}; check the URL and the environment variables"
    ))
}

fn retry(max_retries: usize) -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(3),
            base: 2.0,
        },
        max_retries,
        retry_timeout: RETRY,
    }
}

/// Builds clients with an explicit cryptography provider and with the certificate authorities of
/// the operating system.
///
/// The default provider belongs to the whole process. The HTTP client panics if the process has
/// none.
#[derive(Debug)]
struct Wire(ClientConfig);

impl Wire {
    fn new() -> Result<Self, OpenError> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider);
        let config = config
            .with_safe_default_protocol_versions()
            .map_err(|error| {
                OpenError::Unavailable(StorageError::new(StorageErrorKind::Internal, error))
            })?;
        let config = config.with_root_certificates(roots);
        Ok(Self(config.with_no_client_auth()))
    }
}

impl HttpConnector for Wire {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let allows_http = options.get_config_value(&ClientConfigKey::AllowHttp);
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(self.0.clone())
            .https_only(allows_http.is_none_or(|value| value != "true"))
            .connect_timeout(CONNECT)
            .timeout(REQUEST)
            .http1_only()
            // Another crate of the program may enable compression, and a compressed reply has
            // another length than the object.
            .no_gzip()
            .no_brotli()
            .no_zstd()
            .no_deflate()
            .build();
        let client = client.map_err(|error| object_store::Error::Generic {
            store: "HTTP client",
            source: Box::new(error),
        })?;
        Ok(HttpClient::new(client))
    }
}
