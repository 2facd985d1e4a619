//! `eventcask subscriptions`.

use clap::{Args, Subcommand};

/// Named subscriptions: how far they are, and what is parked in them
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  eventcask subscriptions --store shop
  eventcask subscriptions parked mailer
  eventcask subscriptions redrive mailer order-7")]
pub struct SubscriptionsArgs {
    /// What to do with subscriptions; without it they are listed.
    #[command(subcommand)]
    pub command: Option<SubscriptionsCommand>,
}

/// What can be done with subscriptions.
#[derive(Debug, Subcommand)]
pub enum SubscriptionsCommand {
    /// List the subscriptions: how many events they are behind, and how many aggregates are held
    /// back
    #[command(after_help = "\
Example:
  eventcask subscriptions list --json")]
    List,
    /// Show the aggregates that are parked: where the event is that failed, how often, and why
    #[command(after_help = "\
Example:
  eventcask subscriptions parked mailer")]
    Parked {
        /// Name of the subscription
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Have the events of a parked aggregate handed out again, from the one that failed on
    #[command(after_help = "\
They are handed out once a program takes the subscription up again. No other process may have the store \
open for writing; a program that runs does it by itself.

Exit code 1: nothing is parked under that key.

Example:
  eventcask subscriptions redrive mailer order-7
  eventcask subscriptions redrive mailer --all")]
    Redrive(RedriveArgs),
    /// As redrive, without the event that failed: the subscription gives that one up
    #[command(after_help = "\
Exit code 1: nothing is parked under that key.

Example:
  eventcask subscriptions skip mailer order-7")]
    Skip(RedriveArgs),
    /// Forget a subscription: the next one of this name begins anew
    #[command(after_help = "\
Example:
  eventcask subscriptions drop mailer")]
    Drop {
        /// Name of the subscription
        #[arg(value_name = "NAME")]
        name: String,
    },
}

/// Which parked aggregates go on.
#[derive(Debug, Args)]
pub struct RedriveArgs {
    /// Name of the subscription
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Key of the aggregate
    #[arg(
        value_name = "KEY",
        required_unless_present = "all",
        conflicts_with = "all"
    )]
    pub key: Option<String>,
    /// All that are parked
    #[arg(long)]
    pub all: bool,
}
