//! The environments and module examples of this repository, with nothing made yet, everything made, and in validation.

mod support;

use std::path::{Path, PathBuf};
use support::{Everything, Nothing, Run, addresses, finish, render, schemas};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn load(directory: &str, projection: &dyn model::graph::Projection) -> Run {
    let run = finish(lang::load(&repository().join(directory), &lang::FileSystem), &[], projection);
    assert!(run.diagnostics.is_empty(), "{directory}:\n{}", render(&run.diagnostics, &run.sources));
    run
}

#[test]
fn all_evaluate_without_a_mistake() {
    let directories = [
        "environments/staging",
        "environments/production",
        "modules/network/local/example",
        "modules/node/local/example",
        "modules/mesh/nebula/example",
        "modules/monitoring/example",
    ];
    for directory in directories {
        let planned = load(directory, &Nothing(schemas())).desired;
        let applied = load(directory, &Everything(schemas())).desired;
        let validated = load(directory, &lang::validation_projection(&schemas())).desired;
        assert_eq!(addresses(&planned), addresses(&applied), "{directory}");
        assert_eq!(addresses(&planned), addresses(&validated), "{directory}");
        assert_eq!(planned.configuration_digest, applied.configuration_digest);
        assert!(applied.instances.iter().all(|instance| instance.arguments.is_wholly_known()));
    }
}
