//! AWS clients, built once a process, by hand: no profile files are read and no credential chain is probed (cold path).

use std::time::Duration;

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::SharedCredentialsProvider;

use crate::bulkhead::{Bulkhead, Occupancy};
use crate::environment::{self, EnvironmentError};
use crate::queue::Queue;
use crate::secrets::Secrets;
use crate::table::Table;

/// The longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(2);
/// The longest wait for one attempt of a call; the largest page of a table needs a small part of it.
const ATTEMPT: Duration = Duration::from_secs(4);
/// The longest wait for a call with its attempts, well under every function's timeout.
const OPERATION: Duration = Duration::from_secs(10);

/// One client for each service; what is made from it shares its connections.
#[derive(Debug, Clone)]
pub struct Aws {
    database: Bulkhead,
    dynamodb: aws_sdk_dynamodb::Client,
    sqs: aws_sdk_sqs::Client,
    ssm: aws_sdk_ssm::Client,
}

impl Aws {
    /// Reads region, credentials and (for an emulator) the endpoint from the environment that Lambda provides, and from
    /// `POOL_DATABASE` how many calls to the tables may be in flight at once.
    ///
    /// # Errors
    /// When `AWS_REGION` is not set, or `POOL_DATABASE` is not a size.
    pub fn from_environment() -> Result<Self, EnvironmentError> {
        let region = environment::required("AWS_REGION")?;
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT)
            .operation_attempt_timeout(ATTEMPT)
            .operation_timeout(OPERATION)
            .build();
        let mut shared = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region))
            .credentials_provider(SharedCredentialsProvider::new(EnvironmentVariableCredentialsProvider::new()))
            .retry_config(RetryConfig::standard().with_max_attempts(3))
            .timeout_config(timeouts);
        if let Some(endpoint) = environment::optional("AWS_ENDPOINT_URL") {
            shared = shared.endpoint_url(endpoint);
        }
        let shared = shared.build();
        Ok(Self {
            database: Bulkhead::from_environment("database", "POOL_DATABASE")?,
            dynamodb: aws_sdk_dynamodb::Client::new(&shared),
            sqs: aws_sdk_sqs::Client::new(&shared),
            ssm: aws_sdk_ssm::Client::new(&shared),
        })
    }

    /// The table whose name the variable holds.
    ///
    /// # Errors
    /// When the variable is not set.
    pub fn table(&self, variable: &'static str) -> Result<Table, EnvironmentError> {
        let name = environment::required(variable)?;
        Ok(Table::new(self.dynamodb.clone(), name, self.database.clone()))
    }

    /// The occupancy of the bulkhead of the tables in this process.
    #[must_use]
    pub fn database(&self) -> Occupancy {
        self.database.occupancy()
    }

    /// The queue whose URL the variable holds.
    ///
    /// # Errors
    /// When the variable is not set.
    pub fn queue(&self, variable: &'static str) -> Result<Queue, EnvironmentError> {
        let url = environment::required(variable)?;
        Ok(Queue::new(self.sqs.clone(), url))
    }

    /// The secrets below `SECRETS_PREFIX`.
    ///
    /// # Errors
    /// When the variable is not set.
    pub fn secrets(&self) -> Result<Secrets, EnvironmentError> {
        let prefix = environment::required("SECRETS_PREFIX")?;
        Ok(Secrets::new(self.ssm.clone(), prefix))
    }
}
