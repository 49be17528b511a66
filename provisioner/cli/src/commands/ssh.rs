//! `ssh`: a login on a node, or one command there, with the environment's own identity and the pinned host key.

use crate::arguments::Environment;
use crate::error::{CommandError, Exit};
use crate::project::Project;
use crate::session::Session;
use crate::store::Store;
use model::Diagnostic;
use model::graph::Node;
use nodes::{Connection, Pool};

/// Runs the command. Words of `command` are joined with spaces and read by the node's shell, as `ssh` does it.
pub async fn run(
    session: &Session,
    environment: &Environment,
    name: &str,
    command: &[String],
) -> Result<Exit, CommandError> {
    let project = Project::load(session, environment)?;
    let store = Store::open(&project).await?;
    let recorded = match &store {
        Some(store) => store.load().await?,
        None => model::record::Recorded::default(),
    };
    let nodes: Vec<&Node> = recorded.node_sets.values().flatten().collect();
    let node = nodes.iter().find(|node| node.name == name);
    let (Some(node), Some(store)) = (node, &store) else {
        return Err(no_node(&project.environment, name, &nodes).into());
    };
    let pool = Pool::new(store.login()?, nodes::ssh::Settings::default());
    let host = pool.host(&connection(node)?);
    let command = (!command.is_empty()).then(|| command.join(" "));
    let code = nodes::terminal::attach(&host, command).await?;
    Ok(Exit::Remote(u8::try_from(code).unwrap_or(u8::MAX)))
}

fn no_node(environment: &str, name: &str, nodes: &[&Node]) -> Diagnostic {
    let diagnostic = Diagnostic::error("no-node", format!("{environment} has no node `{name}`"));
    if nodes.is_empty() {
        return diagnostic.with_hint("it has no nodes at all; has it been applied?");
    }
    let names: Vec<_> = nodes.iter().take(12).map(|node| node.name.as_str()).collect();
    let more = if nodes.len() > names.len() { ", …" } else { "" };
    diagnostic.with_hint(format!("there are: {}{more}", names.join(", ")))
}

/// How to reach a node, from what its module said of its machine.
fn connection(node: &Node) -> Result<Connection, CommandError> {
    let text =
        |name: &str| node.machine.get(name).and_then(|value| value.as_str().map(str::to_owned));
    let missing = |name: &str| {
        Diagnostic::error(
            "no-way-in",
            format!("the machine of {} has no known `{name}`", node.name),
        )
        .with_hint("run apply: the node was not finished")
    };
    let port = node.machine.get("port");
    let port = port.as_ref().and_then(model::Value::as_number).and_then(model::Number::as_u64);
    let port = port.and_then(|port| u16::try_from(port).ok());
    Ok(Connection {
        name: node.name.clone(),
        address: text("login_address")
            .or_else(|| text("address"))
            .ok_or_else(|| missing("address"))?,
        port: port.ok_or_else(|| missing("port"))?,
        user: text("user").ok_or_else(|| missing("user"))?,
        host_key: text("host_key").ok_or_else(|| missing("host_key"))?,
        socket: text("socket").map(Into::into),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Value;

    fn node(machine: Value) -> Node {
        Node {
            name: "edge-001".to_owned(),
            pool: "p".to_owned(),
            index: 0,
            domain: "a".to_owned(),
            machine,
            revision: String::new(),
        }
    }

    #[test]
    fn a_connection_needs_every_part_but_the_socket() {
        let parts = [
            ("address", Value::from("10.0.0.1")),
            ("port", 22.into()),
            ("user", "root".into()),
            ("host_key", "ssh-ed25519 AAAA".into()),
            ("socket", Value::null(model::Type::String)),
        ];
        let found = connection(&node(Value::object(parts.clone()))).unwrap();
        assert_eq!((found.port, found.socket), (22, None));
        let public = [("login_address", Value::from("192.0.2.1"))];
        let public = Value::object(parts.clone().into_iter().chain(public));
        assert_eq!(connection(&node(public)).unwrap().address, "192.0.2.1");
        let error = connection(&node(Value::object(parts[..3].to_vec()))).unwrap_err();
        assert!(error.diagnostics[0].summary.contains("host_key"));
    }
}
