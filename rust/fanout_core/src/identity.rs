//! Who is behind a connection, and the keys by which it is counted, found and closed.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::id::{ConnectionId, OwnerId};

/// What the core knows of a connection's user or table session.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Identity {
    /// The tenant; the keys have meaning inside it alone.
    pub tenant: i64,
    /// `user:12`, `session:77`, `jti:…`
    pub keys: Box<[Arc<str>]>,
    /// Unix seconds at which the owner closes the connection; None for never.
    pub expires_at: Option<f64>,
    /// Kept and given back uninterpreted.
    pub label: Box<[u8]>,
    /// Seconds between two checks; None for never.
    pub check_every: Option<f64>,
}

/// An attached connection.
#[derive(Clone, Debug)]
pub struct Attached {
    /// Who is behind it.
    pub identity: Identity,
    /// Who alone touches it.
    pub owner: OwnerId,
}

/// Everybody on the node. Not thread-safe in itself: the core keeps it behind the first lock of the order.
#[derive(Debug, Default)]
pub struct Identities {
    attached: BTreeMap<ConnectionId, Attached>,
    by_tenant: BTreeSet<(i64, ConnectionId)>,
    /// Holders of a key in the order of their ids. A vector, because nearly every key has one holder or a few, and
    /// because ids grow, so that a new holder goes to its end.
    by_key: FxHashMap<i64, FxHashMap<Arc<str>, Vec<ConnectionId>>>,
}

impl Identities {
    /// One connection.
    #[must_use]
    pub fn get(&self, connection: ConnectionId) -> Option<&Attached> {
        self.attached.get(&connection)
    }

    /// Enter a connection whose id is not in use.
    pub fn insert(&mut self, connection: ConnectionId, attached: Attached) {
        self.add_keys(connection, &attached.identity);
        self.by_tenant
            .insert((attached.identity.tenant, connection));
        self.attached.insert(connection, attached);
    }

    /// Remove a connection; None when it is not there.
    pub fn remove(&mut self, connection: ConnectionId) -> Option<Attached> {
        let attached = self.attached.remove(&connection)?;
        self.remove_keys(connection, &attached.identity);
        self.by_tenant
            .remove(&(attached.identity.tenant, connection));
        Some(attached)
    }

    /// Replace an identity by one of the same tenant; nothing happens when the connection is not there.
    pub fn replace(&mut self, connection: ConnectionId, identity: Identity) {
        let Some(mut attached) = self.attached.remove(&connection) else {
            return;
        };
        self.remove_keys(connection, &attached.identity);
        self.add_keys(connection, &identity);
        attached.identity = identity;
        self.attached.insert(connection, attached);
    }

    /// The connections that carry a key, oldest first.
    #[must_use]
    pub fn find(&self, tenant: i64, key: &str) -> &[ConnectionId] {
        self.by_key
            .get(&tenant)
            .and_then(|keys| keys.get(key))
            .map_or(&[], Vec::as_slice)
    }

    /// The connections of all tenants that carry a key, oldest first; one look for each tenant.
    #[must_use]
    pub fn find_anywhere(&self, key: &str) -> Vec<ConnectionId> {
        let mut found: Vec<ConnectionId> = self
            .by_key
            .values()
            .filter_map(|keys| keys.get(key))
            .flatten()
            .copied()
            .collect();
        found.sort_unstable();
        found
    }

    /// Connections with an id above `cursor`, of one tenant or of all, oldest first; lazily, so that a page costs
    /// what the page holds.
    #[must_use]
    pub fn above(
        &self,
        tenant: Option<i64>,
        cursor: ConnectionId,
    ) -> Box<dyn Iterator<Item = (ConnectionId, &Attached)> + '_> {
        let end = ConnectionId::END;
        let all = move |id: ConnectionId| self.get(id).map(|attached| (id, attached));
        match tenant {
            // Only this tenant's ids are walked, however many the node has of others.
            Some(tenant) => {
                let ids = (
                    Bound::Excluded((tenant, cursor)),
                    Bound::Included((tenant, end)),
                );
                if cursor >= end {
                    return Box::new(std::iter::empty()); // an empty range of this kind would panic
                }
                Box::new(
                    self.by_tenant
                        .range(ids)
                        .filter_map(move |(_, id)| all(*id)),
                )
            }
            None => Box::new(
                self.attached
                    .range((Bound::Excluded(cursor), Bound::Unbounded))
                    .map(|(id, attached)| (*id, attached)),
            ),
        }
    }

    fn add_keys(&mut self, connection: ConnectionId, identity: &Identity) {
        let keys = self.by_key.entry(identity.tenant).or_default();
        for key in &identity.keys {
            let holders = keys.entry(Arc::clone(key)).or_default();
            if let Err(at) = holders.binary_search(&connection) {
                holders.insert(at, connection);
            }
        }
    }

    fn remove_keys(&mut self, connection: ConnectionId, identity: &Identity) {
        let Some(keys) = self.by_key.get_mut(&identity.tenant) else {
            return;
        };
        for key in &identity.keys {
            if let Some(holders) = keys.get_mut(key) {
                if let Ok(at) = holders.binary_search(&connection) {
                    holders.remove(at);
                }
                if holders.is_empty() {
                    keys.remove(key);
                }
            }
        }
        if keys.is_empty() {
            self.by_key.remove(&identity.tenant);
        }
    }
}
