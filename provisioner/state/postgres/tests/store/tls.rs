//! Who answers is looked at, as far as the URL says; what cannot be opened says why.

use crate::{Home, shared};
use state::{StateError, StateStore};
use std::path::Path;

async fn asked(home: &Home, host: &str, query: &str) -> Result<(), StateError> {
    let server = shared();
    let url = format!("postgresql://owner@{host}:{}/{}?{query}", server.port, home.database);
    home.by(&url, "e").prepare().await.map(drop)
}

fn with(mode: &str, roots: &Path) -> String {
    format!("sslmode={mode}&sslrootcert={}", roots.display().to_string().replace('/', "%2F"))
}

#[tokio::test]
async fn only_the_right_server_is_believed() {
    let home = Home::new().await;
    let (ours, stranger) = (&shared().certificates.authority, &shared().certificates.stranger);
    asked(&home, "localhost", &with("verify-full", ours)).await.unwrap();
    asked(&home, "127.0.0.1", &with("verify-ca", ours)).await.unwrap();
    asked(&home, "127.0.0.1", "sslmode=require").await.unwrap();
    let unproven = |url: &str| home.by(url, "e").warning().is_some();
    assert!(unproven("postgresql://db.example/x?sslmode=require"));
    assert!(!unproven("postgresql://db.example/x") && !unproven("postgresql://localhost/x"));
    asked(&home, "127.0.0.1", "sslmode=disable").await.unwrap();
    let refusals = [
        asked(&home, "127.0.0.1", &with("verify-full", ours)).await,
        asked(&home, "localhost", &with("verify-full", stranger)).await,
        asked(&home, "localhost", &with("verify-ca", stranger)).await,
        asked(&home, "localhost", &with("require", stranger)).await,
        asked(&home, "localhost", "sslmode=verify-full").await,
    ];
    for refusal in refusals {
        let error = refusal.unwrap_err();
        assert!(matches!(error, StateError::Unreadable { .. }), "{error:?}");
        assert!(error.hint().unwrap().contains("sslrootcert"), "{error}");
    }
}

#[tokio::test]
async fn the_connection_is_encrypted_when_it_says_so() {
    let home = Home::new().await;
    let url = format!("{}?{}", home.server.by_port(&home.database), "sslmode=require");
    let store = home.by(&url, "e");
    store.prepare().await.unwrap();
    let encrypted = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
        WHERE application_name = 'provisioner' AND datname = current_database() AND NOT ssl";
    assert_eq!(home.count(encrypted).await, 0);
    let version = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
        WHERE application_name = 'provisioner' AND datname = current_database() AND version = 'TLSv1.3'";
    assert!(home.count(version).await > 0);
}

#[tokio::test]
async fn a_server_without_tls_is_refused_where_it_is_required() {
    let home = Home::new().await;
    // A socket in the file system knows no TLS.
    let url = format!("{}?sslmode=require", home.server.by_socket(&home.database));
    let error = home.by(&url, "e").prepare().await.unwrap_err();
    assert!(matches!(error, StateError::Unreadable { .. }), "{error:?}");
}

#[tokio::test]
async fn passwords_open_and_are_never_shown() {
    let home = Home::new().await;
    home.execute("CREATE ROLE secretive LOGIN PASSWORD 'canary-pw' SUPERUSER").await;
    let port = home.server.port;
    let url = |login: &str| format!("postgresql://{login}@127.0.0.1:{port}/{}", home.database);
    let store = home.by(&url("secretive:canary-pw"), "e");
    store.prepare().await.unwrap();
    assert!(!store.place().contains("canary") && store.place().ends_with("?schema=provisioner#e"));
    let mut options = home.options();
    options.password = Some(model::Sensitive::new("canary-pw".to_owned()));
    let given = state_postgres::PostgresStore::open(&url("secretive"), "e", options).unwrap();
    assert_eq!(given.identity().await.unwrap(), store.identity().await.unwrap());
    for wrong in ["secretive:canary-no", "secretive"] {
        let error = home.by(&url(wrong), "e").load().await.unwrap_err();
        let text = format!("{error} {:?}", error.hint());
        assert!(text.starts_with("cannot read"), "nobody wanted to write: {text}");
        assert!(text.contains("password") && !text.contains("canary"), "{text}");
    }
}
