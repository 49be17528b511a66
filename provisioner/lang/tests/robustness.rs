//! What the fuzz targets (`fuzz/`) found: each input once led to a panic, or to a place in a message that there is not.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use lang::{Inputs, Session};
use model::Diagnostic;
use std::path::Path;
use support::{Files, Nothing, schemas};

/// The mistakes of an expression in an empty environment.
fn mistakes(expression: &str) -> Vec<Diagnostic> {
    let loaded = lang::load(Path::new("/env"), &Files::new(&[("/env/main.hcl", "")]));
    let configuration = loaded.configuration.unwrap();
    let (inputs, schemas) = (Inputs::default(), schemas());
    let projection = Nothing(schemas.clone());
    let mut session = Session::new(&configuration, &inputs, &schemas, &projection);
    session.evaluate(expression).unwrap_err()
}

#[test]
fn places_are_within_the_expression() {
    for expression in ["", "1 +", "upper(", "\"", "<<E\n${", "a.", "[1,", "x ?"] {
        let mistakes = mistakes(expression);
        assert!(!mistakes.is_empty(), "{expression:?}");
        for label in mistakes.iter().flat_map(|mistake| &mistake.labels) {
            let place = label.span.start as usize..label.span.end as usize;
            assert!(expression.get(place).is_some(), "{expression:?}: {label:?}");
        }
    }
}
