//! A source in memory, for tests of whoever asks one: answers by a function, or one prepared answer after the other.

use super::{Ask, MetricSource, Problem};
use async_trait::async_trait;
use model::rollout::entry::Reading;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

type Answers = dyn Fn(u64, &Ask) -> Reading + Send + Sync;

/// A source in memory. It remembers what it was asked.
pub struct Memory {
    answers: Box<Answers>,
    asked: Mutex<Vec<Ask>>,
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Memory").field("asked", &self.asked).finish_non_exhaustive()
    }
}

impl Memory {
    /// Answers by a function of how many times it was asked before, and of what is asked.
    pub fn new(answers: impl Fn(u64, &Ask) -> Reading + Send + Sync + 'static) -> Self {
        Self { answers: Box::new(answers), asked: Mutex::default() }
    }

    /// Gives these answers, then none: missing.
    pub fn script(readings: impl IntoIterator<Item = Reading>) -> Self {
        let left = Mutex::new(readings.into_iter().collect::<VecDeque<_>>());
        Self::new(move |_, _| {
            let next = left.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            next.unwrap_or_else(|| Reading::Missing { why: "no answer is left".to_owned() })
        })
    }

    /// What was asked so far.
    pub fn asked(&self) -> Vec<Ask> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl MetricSource for Memory {
    async fn measure(&self, ask: &Ask) -> Reading {
        let before = {
            let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
            asked.push(ask.clone());
            asked.len() - 1
        };
        (self.answers)(u64::try_from(before).unwrap_or(u64::MAX), ask)
    }

    fn queries(&self, _ask: &Ask) -> Vec<String> {
        vec!["memory".to_owned()]
    }

    async fn check_syntax(&self, _ask: &Ask) -> Option<Vec<Problem>> {
        Some(Vec::new())
    }
}
