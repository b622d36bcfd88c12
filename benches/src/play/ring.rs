//! The bare ring: `submit` and `poll` of an instance, with nothing of `offload`.

use std::sync::Arc;
use std::time::Duration;

use hotspare_device::{Instance, InstanceOptions, Response, Status, Tag};

use super::rig::{Requests, Rig, hotspare};
use super::{NANOS, Played, played, repeat};
use crate::error::BenchError;

/// How many requests are in flight in a stream.
pub(crate) const WINDOW: u32 = 64;
const TURNS: u32 = 1_000;
const STREAMED: u32 = 10_000;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

fn instance(rig: &Rig) -> Result<Arc<dyn Instance>, BenchError> {
    let driver = hotspare_device::open(&rig.specification()).map_err(hotspare)?;
    let devices = driver.devices().map_err(hotspare)?;
    let device = devices.first().ok_or_else(|| BenchError::Hotspare("no device".to_owned()))?;
    let options = InstanceOptions { connect_timeout: CONNECT_TIMEOUT, ..InstanceOptions::default() };
    device.open_instance(&options).map_err(hotspare)
}

/// Takes all answers that are there, and says how many.
fn take(instance: &dyn Instance) -> Result<u32, BenchError> {
    let (mut taken, mut good) = (0, true);
    instance.poll(&mut |response: Response<'_>| {
        taken += 1;
        good &= response.status == Status::Done;
    });
    if good { Ok(taken) } else { Err(BenchError::Hotspare("the ring gave a bad answer".to_owned())) }
}

/// One request at a time: there and back.
pub(crate) fn turn(time: Duration) -> Result<Played, BenchError> {
    let rig = Rig::new(1)?;
    let instance = instance(&rig)?;
    let request = Requests::new()?.instant()?;
    let samples = repeat(time, TURNS, || {
        for number in 0..TURNS {
            instance.submit(&request, Tag(number.into())).map_err(hotspare)?;
            while take(&*instance)? == 0 {
                std::hint::spin_loop();
            }
        }
        Ok(())
    })?;
    Ok(played(NANOS, samples))
}

/// [`WINDOW`] requests in flight: what one costs its submitter.
pub(crate) fn stream(time: Duration) -> Result<Played, BenchError> {
    let rig = Rig::new(1)?;
    let instance = instance(&rig)?;
    let request = Requests::new()?.instant()?;
    let mut in_flight = 0;
    let samples = repeat(time, STREAMED, || {
        let mut done = 0;
        while done < STREAMED {
            while in_flight < WINDOW {
                instance.submit(&request, Tag(0)).map_err(hotspare)?;
                in_flight += 1;
            }
            let taken = take(&*instance)?;
            in_flight -= taken;
            done += taken;
        }
        Ok(())
    })?;
    Ok(played(NANOS, samples))
}
