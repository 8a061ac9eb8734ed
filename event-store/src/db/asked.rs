// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! Which statements a piece of code asks the database.

use super::Arg;
use std::{cell::RefCell, future::Future};

type Asked = Vec<(String, Vec<Arg>)>;

tokio::task_local! {
    static ASKED: RefCell<Asked>;
}

pub(super) fn record(sql: &str, args: &[Arg]) {
    // Outside of `by` nobody wants to know.
    let _ = ASKED.try_with(|asked| asked.borrow_mut().push((sql.to_owned(), args.to_vec())));
}

/// The statements that the future asks, with their arguments.
pub(crate) async fn by(future: impl Future<Output = ()>) -> Asked {
    ASKED
        .scope(RefCell::default(), async {
            future.await;
            ASKED.with(RefCell::take)
        })
        .await
}
