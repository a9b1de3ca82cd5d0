//! Hosts whose usage policy forbids what a command does.

use tidegate::template::UrlTemplate;

use crate::exit::Fatal;

/// Refuses bulk work on the servers of OpenStreetMap: their policy forbids it since it takes the map away from people who look
/// at it.
pub(crate) fn bulk_is_allowed(command: &str, template: &UrlTemplate) -> Result<(), Fatal> {
    template.openstreetmap().map_or(Ok(()), |host| Err(refused(command, host)))
}

/// The refusal, with its reason and the way out.
pub(crate) fn refused(command: &str, host: &str) -> Fatal {
    Fatal::policy(format!(
        "tidegate {command} is not for {host}: {REASON}.\n\
         Instead: use the embedded server (`bench` and `sweep` without --url-template, and `tidegate mock`), run a tile \
         server of your own, or ask a provider that allows it."
    ))
}

/// Why.
pub(crate) const REASON: &str = "the OpenStreetMap tile usage policy forbids bulk downloads and load tests \
     (https://operations.osmfoundation.org/policies/tiles/)";
