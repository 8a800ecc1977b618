//! Names of components, which label metrics.

use std::num::NonZeroU8;

/// A component's place among the [`Components`] of a table.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ComponentId(NonZeroU8);

impl ComponentId {
    /// Counts from 0 and stays below [`Components::MAX`]; never changes its meaning.
    pub fn index(self) -> usize {
        usize::from(self.0.get()) - 1
    }
}

/// The names that endpoints gave in their `component` tag, numbered in order of appearance.
///
/// Names come from outside, so there is a limit: endpoints with further names have none.
#[derive(Clone, Debug, Default)]
pub struct Components {
    names: Vec<Box<str>>,
}

impl Components {
    /// As many names as are told apart.
    pub const MAX: usize = 255;

    /// The number of `name`, if it has one.
    pub fn find(&self, name: &str) -> Option<ComponentId> {
        self.names
            .iter()
            .position(|known| **known == *name)
            .and_then(Self::id)
    }

    /// Gives `name` the next number, while there are any.
    pub fn add(&mut self, name: &str) -> Option<ComponentId> {
        let id = Self::id(self.names.len())?;
        self.names.push(name.into());
        Some(id)
    }

    /// The name with that number.
    pub fn name(&self, id: ComponentId) -> Option<&str> {
        self.names.get(id.index()).map(|name| &**name)
    }

    /// All names, in the order of [`ComponentId::index`].
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.names.iter().map(|name| &**name)
    }

    fn id(index: usize) -> Option<ComponentId> {
        u8::try_from(index + 1)
            .ok()
            .and_then(NonZeroU8::new)
            .map(ComponentId)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_numbered_up_to_the_limit() {
        let mut components = Components::default();
        for number in 0..Components::MAX {
            let id = components.add(&format!("c{number}"));
            assert_eq!(id.map(ComponentId::index), Some(number));
        }
        assert_eq!(components.add("one too many"), None);
        assert_eq!(components.find("c17").map(ComponentId::index), Some(17));
        assert_eq!(components.find("one too many"), None);
    }
}
