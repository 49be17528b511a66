//! What the cloud in memory offers, as data: one resource type for each way to find an object again, and what each
//! interface allows.

use model::Type;
use model::schema::{
    Adoption, Attribute, Capture, DataSchema, ProviderSchema, RateLimit, ResourceSchema,
};
use std::collections::BTreeMap;

/// A volume-like object; its creation takes a token.
pub const DISK: &str = "memory_disk";
/// An object that refers to others; its creation takes a token.
pub const MACHINE: &str = "memory_machine";
/// A statement about its dependencies; its creation takes a token.
pub const CHECK: &str = "memory_check";
/// An object with a unique name; its creation takes no token.
pub const BUCKET: &str = "memory_bucket";
/// An object that is found by its tag alone, and not at once.
pub const ADDRESS: &str = "memory_address";
/// A machine that one call makes together with others like it, and deletes together with any; to make them, the call takes a
/// token.
pub const WORKER: &str = "memory_worker";
/// Something installed on a machine, step by step.
pub const SERVICE: &str = "memory_service";
/// What was on a disk; its name is unique, and its creation takes no token.
pub const SNAPSHOT: &str = "memory_snapshot";
/// What was on a machine; it is found by its tag alone, and not at once.
pub const IMAGE: &str = "memory_image";
/// Something that is kept in the state alone; the cloud never hears of it.
pub const NOTE: &str = "memory_note";

/// How many workers one call makes or deletes at most.
pub const WORKERS_AT_ONCE: u32 = 3;

/// The steps of installing or changing a service.
pub const SERVICE_STEPS: [&str; 3] = ["upload", "configure", "start"];

/// The interface that creations go to.
pub const CREATE: &str = "create";
/// The interface that updates go to.
pub const UPDATE: &str = "update";
/// The interface that deletions go to.
pub const DELETE: &str = "delete";
/// The interface that batches of reads go to.
pub const READ: &str = "read";
/// The interface that look-ups and listings go to.
pub const LIST: &str = "list";

/// Milliseconds after which nothing here takes effect any more.
const DEADLINE_MS: u64 = 60_000;

fn resource(
    description: &str,
    adoption: Adoption,
    attributes: Vec<(&str, Attribute)>,
) -> ResourceSchema {
    let computed = [
        ("id", Attribute::computed(Type::String, "The cloud's identity of the object.")),
        (
            "status",
            Attribute::computed(Type::String, "Whether it is well.")
                .volatile()
                .expects("ok".into()),
        ),
    ];
    let all = attributes.into_iter().chain(computed);
    ResourceSchema {
        description: description.to_owned(),
        attributes: all.map(|(name, attribute)| (name.to_owned(), attribute)).collect(),
        follows_dependencies: false,
        recorded_only: false,
        created_together: None,
        deleted_together: None,
        captured_by: None,
        adoption,
    }
}

fn name() -> Attribute {
    Attribute::required(Type::String, "Its name.").forces_replacement()
}

fn label() -> Attribute {
    Attribute::optional(Type::String, "Any text.")
}

fn disk() -> ResourceSchema {
    let attributes = vec![
        ("name", name()),
        ("size", Attribute::optional(Type::Number, "Its size.").with_default(1.into())),
        ("key", Attribute::optional(Type::String, "A secret.").secret()),
    ];
    let capture = Capture::by(SNAPSHOT, "source").named("name");
    ResourceSchema { captured_by: Some(capture), ..resource("A disk.", by_token(), attributes) }
}

fn machine() -> ResourceSchema {
    let disks = Attribute::optional(Type::list(Type::String), "Identities of disks.");
    let attributes = vec![("name", name()), ("disks", disks), ("label", label())];
    let capture = Capture::by(IMAGE, "source");
    ResourceSchema { captured_by: Some(capture), ..resource("A machine.", by_token(), attributes) }
}

fn check() -> ResourceSchema {
    let of = Attribute::optional(Type::list(Type::String), "What is checked.");
    let check = resource("A check.", by_token(), vec![("of", of)]);
    ResourceSchema { follows_dependencies: true, ..check }
}

fn bucket() -> ResourceSchema {
    let attributes = vec![("name", name()), ("label", label())];
    resource("A bucket, of a name that nobody else has.", by_name(), attributes)
}

fn address() -> ResourceSchema {
    resource("An address, of the cloud's choice.", by_tag(), vec![("label", label())])
}

fn worker() -> ResourceSchema {
    let worker = resource("A machine like others.", by_token(), vec![("label", label())]);
    let at_once = Some(WORKERS_AT_ONCE);
    ResourceSchema { created_together: at_once, deleted_together: at_once, ..worker }
}

fn service() -> ResourceSchema {
    let machine = Attribute::required(Type::String, "The `id` of its machine.");
    let attributes = vec![
        ("name", name()),
        ("machine", machine.forces_replacement()),
        ("version", Attribute::required(Type::String, "What is to run.")),
        ("running", Attribute::computed(Type::String, "The version that runs.").volatile()),
    ];
    // It exists on its machine alone, so there is nothing to tag.
    let adoption = Adoption { tagged: false, ..by_token() };
    resource("A service on a machine.", adoption, attributes)
}

fn source() -> Attribute {
    Attribute::required(Type::String, "The `id` of what is captured.").forces_replacement()
}

fn snapshot() -> ResourceSchema {
    let attributes = vec![("source", source()), ("name", name())];
    resource("What was on a disk.", by_name(), attributes)
}

fn image() -> ResourceSchema {
    resource("What was on a machine.", by_tag(), vec![("source", source())])
}

fn note() -> ResourceSchema {
    let about = Attribute::optional(Type::list(Type::String), "What it is about.");
    let attributes = vec![("name", name()), ("about", about), ("text", label())];
    let note = resource("A note, kept in the state.", Adoption::default(), attributes);
    ResourceSchema { recorded_only: true, ..note }
}

fn by_token() -> Adoption {
    Adoption { tagged: true, deadline_ms: DEADLINE_MS, ..Adoption::default() }
}

fn by_name() -> Adoption {
    Adoption { token_retention_s: None, unique_name: true, ..by_token() }
}

fn by_tag() -> Adoption {
    Adoption { token_retention_s: None, settle_ms: 5_000, ..by_token() }
}

/// Everything the cloud declares, its weaknesses aside ([`super::Cloud::schema`] has those, too).
pub fn schema() -> ProviderSchema {
    let limit = |burst, per_second| RateLimit { burst, per_second };
    let limits = [
        (CREATE, limit(10, 5)),
        (UPDATE, limit(10, 5)),
        (DELETE, limit(10, 5)),
        (READ, limit(50, 20)),
        (LIST, limit(20, 10)),
    ];
    let resources = [
        (DISK, disk()),
        (MACHINE, machine()),
        (CHECK, check()),
        (BUCKET, bucket()),
        (ADDRESS, address()),
        (WORKER, worker()),
        (SERVICE, service()),
        (SNAPSHOT, snapshot()),
        (IMAGE, image()),
        (NOTE, note()),
    ];
    let data = BTreeMap::from([(DISK.to_owned(), DataSchema::of(&disk(), &["name"]))]);
    ProviderSchema {
        read_together: None,
        data,
        name: "memory".to_owned(),
        configuration: BTreeMap::new(),
        resources: resources.into_iter().map(|(name, it)| (name.to_owned(), it)).collect(),
        limits: limits.into_iter().map(|(name, it)| (name.to_owned(), it)).collect(),
    }
}
