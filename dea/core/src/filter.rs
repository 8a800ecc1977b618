//! Which instances a message is about.

use protocol::bus::dea::{FindInstances, StopInstances};

use crate::instance::Instance;

/// Whether `stop` is about `instance`.
#[must_use]
pub fn is_to_stop(stop: &StopInstances, instance: &Instance) -> bool {
    let order = &instance.order;
    stop.droplet == order.droplet
        && selects(stop.version.as_ref(), |version| *version == order.version)
        && selects(stop.indices.as_ref(), |indices| {
            indices.contains(&order.index)
        })
        && selects(stop.instances.as_ref(), |ids| ids.contains(&instance.id))
}

/// Whether `find` asks for `instance`.
#[must_use]
pub fn is_asked_for(find: &FindInstances, instance: &Instance) -> bool {
    let order = &instance.order;
    find.droplet == order.droplet
        && selects(find.version.as_ref(), |version| *version == order.version)
        && selects(find.states.as_ref(), |states| {
            states.contains(&instance.public())
        })
        && selects(find.indices.as_ref(), |indices| {
            indices.contains(&order.index)
        })
        && selects(find.instances.as_ref(), |ids| ids.contains(&instance.id))
}

/// What is absent selects all.
fn selects<T>(wanted: Option<&T>, is_met: impl FnOnce(&T) -> bool) -> bool {
    wanted.is_none_or(is_met)
}

#[cfg(test)]
mod tests {
    use protocol::bus::Message as _;
    use protocol::bus::dea::StartInstance;

    use super::*;
    use crate::instance::State;

    fn instance() -> Instance {
        Instance {
            id: "i1".to_owned(),
            private_id: String::new(),
            order: StartInstance {
                droplet: "p".to_owned(),
                version: "v".to_owned(),
                index: 2,
                ..StartInstance::default()
            },
            port: 1,
            state: State::Fetching,
            since_ms: 0,
        }
    }

    #[test]
    fn stop_selects_by_all_that_it_names() {
        for (text, expected) in [
            (r#"{"droplet":"p"}"#, true),
            (r#"{"droplet":"q"}"#, false),
            ("{}", false),
            (r#"{"droplet":"p","version":"v","indices":[0,2]}"#, true),
            (r#"{"droplet":"p","version":"w","indices":[2]}"#, false),
            (r#"{"droplet":"p","indices":[0]}"#, false),
            (r#"{"droplet":"p","indices":[]}"#, false),
            (r#"{"droplet":"p","instances":["i1"]}"#, true),
            (r#"{"droplet":"p","instances":["i2"]}"#, false),
        ] {
            let stop = StopInstances::decode(text.as_bytes()).unwrap();
            assert_eq!(is_to_stop(&stop, &instance()), expected, "{text}");
        }
    }

    #[test]
    fn find_selects_by_state_too() {
        for (text, expected) in [
            (r#"{"droplet":"p","states":["STARTING","RUNNING"]}"#, true),
            (r#"{"droplet":"p","states":["RUNNING"]}"#, false),
            (
                r#"{"droplet":"p","version":"v","indices":[2],"instances":["i1"]}"#,
                true,
            ),
            (r#"{"droplet":"p","version":""}"#, false),
            (r#"{"droplet":""}"#, false),
        ] {
            let find = FindInstances::decode(text.as_bytes()).unwrap();
            assert_eq!(is_asked_for(&find, &instance()), expected, "{text}");
        }
    }
}
