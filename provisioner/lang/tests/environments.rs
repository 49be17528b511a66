//! The environments and module examples of this repository, with nothing made yet, everything made, and in validation.

mod support;

use model::Type;
use model::schema::{Attribute, ProviderSchema, ResourceSchema};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use support::{Everything, Nothing, Run, addresses, finish_with, render};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// With what the environments say of nodes on AWS, which are none unless a variable says so.
fn schemas() -> BTreeMap<String, ProviderSchema> {
    let region = Attribute::optional(Type::String, "");
    let aws = ProviderSchema {
        name: "aws".to_owned(),
        configuration: BTreeMap::from([("region".to_owned(), region)]),
        ..ProviderSchema::default()
    };
    let algorithm = Attribute::required(Type::String, "");
    let key = ResourceSchema {
        attributes: BTreeMap::from([("algorithm".to_owned(), algorithm)]),
        ..ResourceSchema::default()
    };
    let tls = ProviderSchema {
        name: "tls".to_owned(),
        resources: BTreeMap::from([("tls_private_key".to_owned(), key)]),
        ..ProviderSchema::default()
    };
    let more = [aws, tls].map(|schema| (schema.name.clone(), schema));
    support::schemas().into_iter().chain(more).collect()
}

fn load(directory: &str, projection: &dyn model::graph::Projection) -> Run {
    let loaded = lang::load(&repository().join(directory), &lang::FileSystem);
    let run = finish_with(loaded, &[], projection, &lang::Moment::default(), &schemas());
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
