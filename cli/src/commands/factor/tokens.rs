//! Hardware tokens.

use proto::second_factor::{AssignToken, Done, ImportTokens, ImportedTokens, Token, Tokens};
use proto::secret::Secret;
use serde_json::json;

use super::{Asks, encoded, files};
use crate::args::TokensCommand;
use crate::commands::validate::counted;
use crate::failure::Failure;
use crate::output;

pub(super) async fn run(asks: &Asks, command: TokensCommand) -> Result<(), Failure> {
    let of_token = |serial: &str, verb: &str| format!("/tokens/{}/{verb}", encoded(serial));
    match command {
        TokensCommand::List => {
            let all = asks
                .all("/tokens?limit=500", |page: Tokens| (page.tokens, page.next))
                .await?;
            asks.show(&all, || all.iter().for_each(print));
        }
        TokensCommand::Import { file, dry_run } => {
            let csv = Secret::from(files::whole(&file)?.as_str());
            let wanted = ImportTokens { csv, dry_run };
            let taken: ImportedTokens = asks.post_many("/tokens/import", &wanted).await?;
            asks.show(&taken, || {
                for one in &taken.refused {
                    output::complaint(format_args!(
                        "line {}: {}: {}",
                        one.line, one.serial, one.why
                    ));
                }
                let done = if taken.done { "" } else { "nothing was done: " };
                output::line(format_args!(
                    "{done}{} new, {} of them with a user",
                    taken.created, taken.assigned
                ));
            });
            if !taken.refused.is_empty() {
                return Err(Failure::plain(format!(
                    "nothing was taken of {}: {} cannot be taken",
                    file.display(),
                    counted(taken.refused.len(), "line")
                )));
            }
        }
        TokensCommand::Assign { serial, user } => {
            let path = of_token(&serial, "assign");
            let token: Token = asks.post(&path, &AssignToken { user }).await?;
            asks.show(&token, || print(&token));
        }
        TokensCommand::Unassign { serial } => {
            let path = of_token(&serial, "unassign");
            let token: Token = asks.post(&path, &json!({})).await?;
            asks.show(&token, || print(&token));
        }
        TokensCommand::Delete { serial } => {
            let path = of_token(&serial, "delete");
            let _: Done = asks.post(&path, &json!({})).await?;
            asks.show(&json!({}), || {
                output::line(format_args!("{serial} deleted"))
            });
        }
    }
    Ok(())
}

fn print(token: &Token) {
    output::line(format_args!(
        "{:<24} {:<5} {} digits, {}",
        token.serial,
        token.kind.as_str(),
        token.digits,
        token.user.as_deref().unwrap_or("nobody's")
    ));
}
