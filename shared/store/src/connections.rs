//! The commands of people that change a connection's record. Every write is refused when the status has changed
//! meanwhile.

use domain::connection::{Connection, ConnectionKey, ConnectionStatus};
use jiff::Timestamp;

use crate::records::{Records, key_of};
use aws::error::AwsError;
use aws::table::{Write, Written, null, text};

/// Guards: the status is the one that was read, and the connection is not gone.
const STATUS_IS: &str = "#status = :seen AND attribute_not_exists(deleted_at)";

/// The attributes that a tombstone loses: the place in the list, and everything but the identity.
const ERASED_ATTRIBUTES: [&str; 5] = ["listed_at", "detail", "account", "settings", "request_hash"];

impl Records {
    /// Changes the status of a connection and its detail. False when the status is not the one that was seen, or the
    /// connection is gone. One write.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn change_connection(
        &self,
        connection: &ConnectionKey,
        (seen, to): (ConnectionStatus, ConnectionStatus),
        detail: Option<&str>,
        now: Timestamp,
    ) -> Result<bool, AwsError> {
        let write = status(seen, to, now).set("detail", detail.map_or_else(null, text));
        let key = key_of::<Connection>(&connection.org, connection.connection.as_str());
        Ok(matches!(self.table().update(&key, write, false).await?, Written::Applied(_)))
    }

    /// Replaces a connection that is being removed by a tombstone, so that no read and no list has it and its id is not
    /// used again. Its records stay. False when another request did. One write.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn tombstone_connection(&self, connection: &ConnectionKey, now: Timestamp) -> Result<bool, AwsError> {
        let removed = status(ConnectionStatus::Deleted, ConnectionStatus::Deleted, now);
        let write = ERASED_ATTRIBUTES.into_iter().fold(removed, Write::remove).set("deleted_at", text(now.to_string()));
        let key = key_of::<Connection>(&connection.org, connection.connection.as_str());
        Ok(matches!(self.table().update(&key, write, false).await?, Written::Applied(_)))
    }
}

fn status(seen: ConnectionStatus, to: ConnectionStatus, now: Timestamp) -> Write {
    Write::when(STATUS_IS)
        .value("seen", text(seen.as_str()))
        .set("status", text(to.as_str()))
        .set("updated_at", text(now.to_string()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use domain::FORMAT_VERSION;
    use domain::connection::LoginMethod;

    use super::*;
    use crate::records::Created;
    use aws::table::Table;

    #[tokio::test]
    async fn a_status_changes_only_from_the_one_that_was_read() {
        let (records, now) = (Records::new(Table::in_memory()), Timestamp::UNIX_EPOCH);
        let key = ConnectionKey { org: "acme".parse().expect("slug"), connection: "one".parse().expect("slug") };
        let (org, id) = (key.org.clone(), key.connection.clone());
        let connection = Connection {
            v: FORMAT_VERSION,
            id,
            provider: "an-ats".into(),
            status: ConnectionStatus::Checking,
            detail: Some("why".into()),
            login: LoginMethod::WebhookOnly,
            account: Some("acme".into()),
            settings: BTreeMap::new(),
            created_at: now,
        };
        assert!(matches!(records.create(&org, &connection, "r", now).await, Ok(Created::New)));
        let change = async |seen, to| records.change_connection(&key, (seen, to), None, now).await.expect("written");
        assert!(!change(ConnectionStatus::Active, ConnectionStatus::Paused).await);
        assert!(!records.tombstone_connection(&key, now).await.expect("written"), "it is not being removed");
        assert!(change(ConnectionStatus::Checking, ConnectionStatus::Deleted).await);
        assert!(records.tombstone_connection(&key, now).await.expect("written"));
        assert!(!records.tombstone_connection(&key, now).await.expect("written"), "once");
        assert!(!change(ConnectionStatus::Deleted, ConnectionStatus::Active).await);
        assert_eq!(records.get::<Connection>(&org, "one").await.expect("read"), None);
        assert!(records.list::<Connection>(&org, 10, None).await.expect("listed").0.is_empty());
        let again = records.create(&org, &connection, "r", now).await.expect("written");
        assert!(matches!(again, Created::Other), "its id is not used again");
    }
}
