//! The shortest way around a circle. Refuses to know: what stands in it.

use std::collections::VecDeque;
use std::collections::hash_map::{Entry, HashMap};
use std::hash::Hash;

/// The shortest way from a vertex back to itself, from the vertex on; none if there is no such way.
pub(crate) fn around<V: Copy + Eq + Hash, N: IntoIterator<Item = V>>(
    start: V,
    neighbours: impl Fn(V) -> N,
) -> Option<Vec<V>> {
    let mut from: HashMap<V, V> = HashMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(at) = queue.pop_front() {
        for next in neighbours(at) {
            if next == start {
                let mut way = vec![at];
                let mut at = at;
                while at != start {
                    at = *from.get(&at)?;
                    way.push(at);
                }
                way.reverse();
                return Some(way);
            }
            if let Entry::Vacant(entry) = from.entry(next) {
                entry.insert(at);
                queue.push_back(next);
            }
        }
    }
    None
}
