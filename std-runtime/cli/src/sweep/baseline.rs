//! One request after the other, without a gate: what the gate costs is the difference to one in flight.

use smol::Timer;
use tidegate::{
    fetch::{Fault, judge},
    ledger::Ledger,
    stop::Extent,
    transport::{Request, Transport},
    verify::Expect,
};
use tidegate_core::Instant;
use tidegate_lab::report::{Resources, Run};

use super::{Sweep, run::sequential};
use crate::{exit::Fatal, resources, source::Source, tiles};

impl Sweep<'_> {
    /// As many tiles as the lowest level asks for, one attempt each. `None` where there was no time for all of them.
    pub(super) fn baseline(&self) -> Result<Option<Run>, Fatal> {
        let source = self.source(1, 0)?;
        let tiles = tiles::draw(self.args.tiles_at(1), self.args.max_zoom, self.seed);
        let cpu_before = resources::cpu_seconds();
        let mut ledger = Ledger::default();
        let mut exchanges = Vec::with_capacity(tiles.len());
        let (started, mut url) = (source.now(), String::new());
        for tile in tiles {
            if self.is_over() {
                source.close();
                return Ok(None);
            }
            url.clear();
            source.template.expand(tile, &mut url);
            let before = source.now();
            let exchange = self.exchange(&source, Request::new(url.as_str()));
            let fault = smol::block_on(exchange).err();
            let now = source.now();
            ledger.request(1);
            ledger.attempts += 1;
            match fault {
                None => ledger.fetched += 1,
                Some(fault) => {
                    ledger.give_up(1, fault.kind());
                    *ledger.faults_by_kind.entry(fault.kind()).or_default() += 1;
                }
            }
            let at = Instant::ORIGIN.saturating_add(now.saturating_since(started));
            exchanges.push((at, now.saturating_since(before), fault.is_none()));
        }
        let held = resources::held();
        source.close();
        let cpu_seconds = resources::cpu_seconds().zip(cpu_before).map(|(after, before)| after - before);
        Ok(Some(Run { resources: Resources { cpu_seconds, ..held }, ..sequential(&ledger, &exchanges) }))
    }

    async fn exchange(&self, source: &Source, request: Request) -> Result<(), Fault> {
        let answer = async {
            let response = source.fetcher.transport().send(request).await.map_err(Fault::Transport)?;
            match judge(response, Expect::DEFAULT).1 {
                Ok(_) | Err(None) => Ok(()),
                Err(Some(fault)) => Err(fault),
            }
        };
        let timeout = async {
            Timer::after(self.settings.timeout.value).await;
            Err(Fault::Timeout)
        };
        let stopped = async {
            self.stop.asked(Extent::Abort).await;
            Err(Fault::CutOff)
        };
        smol::future::or(answer, smol::future::or(timeout, stopped)).await
    }
}
