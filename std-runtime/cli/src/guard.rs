//! Hosts whose usage policy forbids what a command does.

use tidegate::template::UrlTemplate;

use crate::exit::Fatal;

/// Refuses bulk work on the servers of OpenStreetMap: their policy forbids it since it takes the map away from people who look
/// at it.
pub(crate) fn bulk_is_allowed(command: &str, template: &UrlTemplate) -> Result<(), Fatal> {
    if !template.is_openstreetmap() {
        return Ok(());
    }
    Err(Fatal::policy(format!(
        "tidegate {command} is not for {}: the OpenStreetMap tile usage policy forbids bulk downloads and load tests \
         (https://operations.osmfoundation.org/policies/tiles/).\n\
         Instead: leave out --url-template to use the embedded server, run a tile server of your own, or ask a provider \
         that allows it.",
        template.host()
    )))
}
