//! Rows in the order of the lists, found by their id and drawn by chance without a walk over all of them.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
    ops::Bound,
};

use crate::world::Chance;

type Place = (Reverse<i64>, String);

/// Rows from the newest to the oldest; of those of one millisecond, the lower id comes first.
#[derive(Debug)]
pub struct Table<T> {
    rows: BTreeMap<Place, T>,
    /// Time of creation, and the position in `ids`.
    places: HashMap<String, (i64, usize)>,
    ids: Vec<String>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { rows: BTreeMap::new(), places: HashMap::new(), ids: Vec::new() }
    }
}

impl<T> Table<T> {
    /// Adds a row; its id must be new.
    pub fn insert(&mut self, created: i64, id: &str, row: T) {
        self.places.insert(id.to_owned(), (created, self.ids.len()));
        self.ids.push(id.to_owned());
        self.rows.insert((Reverse(created), id.to_owned()), row);
    }

    pub fn get(&self, id: &str) -> Option<&T> {
        let (created, _) = self.places.get(id)?;
        self.rows.get(&(Reverse(*created), id.to_owned()))
    }

    pub fn get_mut(&mut self, id: &str) -> Option<&mut T> {
        let (created, _) = self.places.get(id)?;
        self.rows.get_mut(&(Reverse(*created), id.to_owned()))
    }

    pub fn remove(&mut self, id: &str) -> Option<T> {
        let (created, position) = self.places.remove(id)?;
        self.ids.swap_remove(position);
        if let Some(place) = self.ids.get(position).and_then(|moved| self.places.get_mut(moved)) {
            place.1 = position;
        }
        self.rows.remove(&(Reverse(created), id.to_owned()))
    }

    pub fn len(&self) -> usize {
        self.ids.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The id of any row.
    pub fn any(&self, chance: &mut Chance) -> Option<String> {
        chance.of(&self.ids).cloned()
    }

    /// Time of creation, id and row of all from this place on.
    pub fn from(&self, place: Option<&(i64, String)>) -> impl Iterator<Item = (i64, &str, &T)> {
        let start = place.map_or(Bound::Unbounded, |(at, id)| Bound::Included((Reverse(*at), id.clone())));
        self.rows.range((start, Bound::Unbounded)).map(|((Reverse(at), id), row)| (*at, id.as_str(), row))
    }

    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.rows.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_drawn_and_listed_from_the_newest_on() {
        let mut table = Table::default();
        for (created, id) in [(5, "b"), (9, "c"), (5, "a"), (1, "d")] {
            table.insert(created, id, id.to_uppercase());
        }
        let ids = |table: &Table<String>, place: Option<(i64, String)>| {
            table.from(place.as_ref()).map(|(_, id, _)| id.to_owned()).collect::<String>()
        };
        assert_eq!(ids(&table, None), "cabd");
        assert_eq!(ids(&table, Some((5, "b".to_owned()))), "bd");
        assert_eq!(table.remove("b"), Some("B".to_owned()));
        // A place stays one after its row is gone.
        assert_eq!(ids(&table, Some((5, "b".to_owned()))), "d");
        assert_eq!((table.get("a"), table.get("b"), table.len()), (Some(&"A".to_owned()), None, 3));
        let mut chance = Chance::new(1);
        let drawn: std::collections::BTreeSet<_> = (0..50).filter_map(|_| table.any(&mut chance)).collect();
        assert_eq!(drawn.into_iter().collect::<String>(), "acd");
    }
}
