//! One instance: a pair of rings of an emulated device.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use zeroize::Zeroize;

use super::connection::Connection;
use super::memory::Memory;
use super::rings::{Impossible, RequestProducer, ResponseConsumer};
use super::slots::{Pending, Slots};
use super::wire::descriptor::{
    OperationSet, RequestDescriptor, ResponseDescriptor, STATUS_DONE, STATUS_REJECTED, operation_code,
};
use super::wire::layout::{SLOT_BYTES, SLOT_OUTPUT, Shape};
use super::wire::message::{Hello, Welcome};
use super::wire::payload;
use crate::address::Bdf;
use crate::instance::{
    Instance, InstanceOptions, Occupancy, OpenError, Response, Sink, State, Status, SubmitError, Tag,
};
use crate::request::{OUTPUT_MAX_BYTES, Operation, Request};

/// See the module.
pub(super) struct EmulatedInstance {
    address: Bdf,
    path: PathBuf,
    connect_timeout: Duration,
    memory: Memory,
    /// Held by who rejoins. The handshake waits, and nobody may wait for it under `inner`.
    rejoining: Mutex<()>,
    /// The connection has ended; set by who notices, cleared by `rejoin`.
    removed: AtomicBool,
    /// What the device writes cannot be: it is not asked any more until it restarts or returns.
    poisoned: AtomicBool,
    /// What the device computes, an [`OperationSet`].
    operations: AtomicU64,
    // One lock for both directions: it is taken for the time of a few copies, and an instance has few threads.
    inner: Mutex<Inner>,
}

struct Inner {
    connection: Connection,
    requests: RequestProducer,
    responses: ResponseConsumer,
    slots: Slots,
    /// The epoch that submissions carry: the device's, as last adopted. A response of another one is nobody's.
    epoch: u64,
    strays: u64,
    /// Where results are copied to before anybody looks at them; wiped after each.
    copy: Box<[u8; OUTPUT_MAX_BYTES]>,
}

impl EmulatedInstance {
    /// Makes memory and hands it to the device behind the socket at `path`.
    pub(super) fn open(address: Bdf, path: &Path, options: &InstanceOptions) -> Result<Self, OpenError> {
        let memory = Memory::create(options)?;
        let (connection, welcome) = connect(address, path, &memory, options.connect_timeout)?;
        let slots = Slots::new(memory.shape.slots);
        Ok(Self {
            address,
            path: path.to_owned(),
            connect_timeout: options.connect_timeout,
            memory,
            rejoining: Mutex::new(()),
            removed: AtomicBool::new(false),
            poisoned: AtomicBool::new(false),
            operations: AtomicU64::new(welcome.operations.0),
            inner: Mutex::new(Inner {
                connection,
                requests: RequestProducer::default(),
                responses: ResponseConsumer::default(),
                slots,
                epoch: welcome.epoch,
                strays: 0,
                copy: Box::new([0; OUTPUT_MAX_BYTES]),
            }),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The device's state as far as it is believed.
    fn seen(&self) -> (State, u64) {
        let word = self.memory.state();
        let state = if self.removed.load(Ordering::Acquire) {
            State::Removed
        } else if self.poisoned.load(Ordering::Acquire) && word.state == State::Up {
            State::Error
        } else {
            word.state
        };
        (state, word.epoch)
    }

    fn poison(&self, what: Impossible) {
        let Impossible = what;
        if !self.poisoned.swap(true, Ordering::AcqRel) {
            tracing::error!(device = %self.address, "the device's rings make no sense: not used until it restarts");
        }
    }

    /// Gives all real responses to `sink`.
    fn drain(&self, inner: &mut Inner, sink: &mut dyn Sink) -> Result<usize, Impossible> {
        if self.poisoned.load(Ordering::Acquire) {
            return Ok(0);
        }
        let available = inner.responses.available(&self.memory)?;
        if available == 0 {
            return Ok(0);
        }
        let mut given = 0;
        for _ in 0..available {
            let descriptor = inner.responses.take(&self.memory)?;
            given += usize::from(self.accept(inner, descriptor, sink));
        }
        inner.responses.publish(&self.memory);
        Ok(given)
    }

    /// One response: checked against our own record of what was submitted, copied out, given to `sink`.
    fn accept(&self, inner: &mut Inner, answer: ResponseDescriptor, sink: &mut dyn Sink) -> bool {
        let Some(pending) = inner.slots.find(answer.slot, answer.sequence, answer.epoch) else {
            inner.strays += 1;
            return false;
        };
        let mut output: &mut [u8] = &mut [];
        let status = match answer.status {
            STATUS_DONE if answer.output_length == pending.output_length => {
                output = &mut inner.copy[..pending.output_length as usize];
                match self.memory.shared.read(self.memory.shape.slot(answer.slot) + SLOT_OUTPUT, output) {
                    Ok(()) => Status::Done,
                    Err(_) => Status::Broken(answer.status),
                }
            }
            STATUS_REJECTED => Status::Rejected,
            code => Status::Broken(code),
        };
        self.wipe(answer.slot, &pending);
        inner.slots.answered(answer.slot);
        let given: &[u8] = if status == Status::Done { output } else { &[] };
        sink.response(Response { tag: pending.tag, status, output: given });
        output.zeroize();
        true
    }

    /// A dummy for each request that the device has, in the order of submission.
    fn make_dummies(&self, inner: &mut Inner, sink: &mut dyn Sink) -> usize {
        if inner.slots.in_flight() == 0 {
            return 0;
        }
        let caught = inner.slots.take_all();
        for (slot, pending) in &caught {
            // The key leaves the device's reach now; what it may still write is wiped after the fence.
            self.wipe(*slot, pending);
            sink.response(Response { tag: pending.tag, status: Status::Dummy, output: &[] });
        }
        caught.len()
    }

    /// Nothing of an earlier epoch writes any more: quarantine ends.
    fn end_quarantine(&self, inner: &mut Inner) {
        for slot in inner.slots.fenced() {
            self.wipe_all(slot);
        }
    }

    /// Wipes what a request left in its slot.
    fn wipe(&self, slot: u32, pending: &Pending) {
        let start = self.memory.shape.slot(slot);
        let up = |length: u32| (length as usize).next_multiple_of(8);
        // A slot of ours is always inside the memory.
        let _ = self.memory.shared.wipe(start, up(pending.payload_length));
        let _ = self.memory.shared.wipe(start + SLOT_OUTPUT, up(pending.output_length));
    }

    fn wipe_all(&self, slot: u32) {
        let _ = self.memory.shared.wipe(self.memory.shape.slot(slot), SLOT_BYTES);
    }

    fn occupancy_of(&self, inner: &Inner) -> Occupancy {
        let Shape { ring_depth, slots } = self.memory.shape;
        Occupancy {
            in_flight: inner.slots.in_flight(),
            quarantined: inner.slots.quarantined(),
            slots,
            depth: ring_depth.min(slots),
            usable: inner.slots.usable(ring_depth),
            stray_responses: inner.strays,
        }
    }

    /// Takes note of an error, a restart or a removal.
    fn follow(&self, inner: &mut Inner, sink: &mut dyn Sink) -> Result<usize, Impossible> {
        let (state, epoch) = self.seen();
        if state == State::Up && epoch == inner.epoch {
            return Ok(0);
        }
        // What the device answered before it changed its state counts: those responses lie in the ring by now.
        let mut given = if state == State::Removed {
            self.drain(inner, sink).unwrap_or(0)
        } else {
            self.drain(inner, sink)?
        };
        given += self.make_dummies(inner, sink);
        if state == State::Removed {
            if inner.connection.is_process_gone() {
                self.end_quarantine(inner);
            }
        } else if epoch < inner.epoch {
            return Err(Impossible);
        } else if epoch > inner.epoch && self.memory.state().state == State::Up {
            // The epoch changes after the engines were stopped, so this is the fence.
            self.end_quarantine(inner);
            inner.epoch = epoch;
            self.poisoned.store(false, Ordering::Release);
        }
        Ok(given)
    }
}

fn connect(
    address: Bdf,
    path: &Path,
    memory: &Memory,
    timeout: Duration,
) -> Result<(Connection, Welcome), OpenError> {
    let descriptors =
        [memory.file.as_fd(), memory.request_doorbell.as_fd(), memory.response_doorbell.as_fd()];
    Connection::make(address, path, Hello { shape: memory.shape }, descriptors, timeout)
}

impl Instance for EmulatedInstance {
    fn address(&self) -> Bdf {
        self.address
    }

    fn supports(&self, operation: Operation) -> bool {
        // Relaxed: says nothing about other memory.
        OperationSet(self.operations.load(Ordering::Relaxed)).contains(operation)
    }

    fn enqueue(&self, request: &Request, tag: Tag) -> Result<(), SubmitError> {
        let mut inner = self.lock();
        let (state, epoch) = self.seen();
        match state {
            State::Up => {}
            State::Error => return Err(SubmitError::Error),
            State::Restarting => return Err(SubmitError::Restarting),
            State::Down | State::Removed => return Err(SubmitError::Gone),
        }
        if epoch != inner.epoch {
            // A restart that nobody has polled for yet: its dummies come first.
            return Err(SubmitError::Restarting);
        }
        if !self.supports(request.operation()) {
            return Err(SubmitError::Unsupported);
        }
        let room = inner.requests.has_room(&self.memory).map_err(|what| {
            self.poison(what);
            SubmitError::Error
        })?;
        // Answers need room in the response ring, so no more than its depth may be unanswered.
        let unanswered = inner.slots.in_flight();
        let Some(slot) =
            inner.slots.peek_free().filter(|_| room && unanswered < self.memory.shape.ring_depth)
        else {
            let clogged = self.occupancy_of(&inner).is_clogged();
            return Err(if clogged { SubmitError::Quarantined } else { SubmitError::Full });
        };
        let operation = operation_code(request.operation()).ok_or(SubmitError::Unsupported)?;
        let output_length = u32::try_from(request.output_length()).map_err(|_| SubmitError::Unsupported)?;
        let offset = self.memory.shape.slot(slot);
        let Ok(payload_length) = payload::write(&self.memory.shared, offset, request) else {
            self.wipe_all(slot);
            return Err(SubmitError::Unsupported);
        };
        let sequence = inner.slots.submitted(tag, epoch, output_length, payload_length);
        let descriptor =
            RequestDescriptor { sequence, epoch, operation, output_length, slot, payload_length };
        if let Err(what) = inner.requests.put(&self.memory, &descriptor) {
            // It is in the books already, so its dummy answers it.
            self.poison(what);
        }
        Ok(())
    }

    fn ring(&self) {
        self.memory.ring();
    }

    fn poll(&self, sink: &mut dyn Sink) -> usize {
        let mut inner = self.lock();
        let inner = &mut *inner;
        let polled = self.drain(inner, sink).and_then(|given| Ok(given + self.follow(inner, sink)?));
        polled.unwrap_or_else(|what| {
            self.poison(what);
            self.make_dummies(inner, sink)
        })
    }

    fn abandon(&self, tag: Tag) {
        self.lock().slots.abandon(tag);
    }

    fn state(&self) -> (State, u64) {
        self.seen()
    }

    fn descriptor(&self) -> BorrowedFd<'_> {
        self.memory.response_doorbell.as_fd()
    }

    fn removal_descriptor(&self) -> Option<Arc<OwnedFd>> {
        let inner = self.lock();
        (!self.removed.load(Ordering::Acquire)).then(|| inner.connection.socket().clone())
    }

    fn notice_removal(&self) -> bool {
        let inner = self.lock();
        if !self.removed.load(Ordering::Acquire) && inner.connection.is_closed() {
            tracing::debug!(device = %self.address, "the device process is gone");
            self.removed.store(true, Ordering::Release);
        }
        self.removed.load(Ordering::Acquire)
    }

    fn prepare_wait(&self) -> bool {
        self.memory.set_sleeping(true);
        let inner = self.lock();
        let (state, epoch) = self.seen();
        // While the device is not up there is nothing to poll but its dummies; its next state rings again.
        let followed = if state == State::Up { epoch == inner.epoch } else { inner.slots.in_flight() == 0 };
        // "I sleep" stays said also if there is something: another thread may sleep already, and the device may be about to
        // look whether it is to ring for what we have just seen. It rings in vain once at most.
        followed && !inner.responses.has_some(&self.memory)
    }

    fn end_wait(&self) {
        self.memory.set_sleeping(false);
        self.memory.silence();
    }

    fn rejoin(&self) -> Result<(), OpenError> {
        let _rejoining = self.rejoining.lock().unwrap_or_else(PoisonError::into_inner);
        let mut inner = self.lock();
        if !self.removed.load(Ordering::Acquire) {
            return Ok(());
        }
        if inner.slots.in_flight() > 0 {
            // Its dummies were not taken yet.
            return Err(OpenError::NotUp(self.address, State::Removed));
        }
        if inner.slots.quarantined() > 0 {
            if !inner.connection.is_process_gone() {
                // Somebody may still write to what we would hand over: this handle is of no more use, and
                // its memory goes with it. A new instance has new memory.
                return Err(OpenError::Protocol {
                    what: self.path.display().to_string(),
                    why: "it closed our connection and lives on".to_owned(),
                });
            }
            self.end_quarantine(&mut inner);
        }
        let local = |source| OpenError::Local { what: "preparing memory for a device", source };
        self.memory.reset().map_err(local)?;
        self.memory.silence();
        // With the indices in memory also ours begin anew, whether or not the device is there already: who polls before
        // the next try must find the two in agreement.
        inner.requests = RequestProducer::default();
        inner.responses = ResponseConsumer::default();
        drop(inner);
        // Until `removed` is cleared nothing is submitted, and so the new device has nothing to answer.
        let (connection, welcome) = connect(self.address, &self.path, &self.memory, self.connect_timeout)?;
        let mut inner = self.lock();
        inner.connection = connection;
        inner.epoch = welcome.epoch;
        self.operations.store(welcome.operations.0, Ordering::Relaxed);
        self.poisoned.store(false, Ordering::Release);
        self.removed.store(false, Ordering::Release);
        Ok(())
    }

    fn occupancy(&self) -> Occupancy {
        self.occupancy_of(&self.lock())
    }
}

impl Drop for EmulatedInstance {
    fn drop(&mut self) {
        // Requests still in flight have nobody who waits; their keys must not stay. The memory itself goes with us: a
        // device that still writes, writes into pages that nobody else has.
        for (slot, _) in self.lock().slots.take_all() {
            self.wipe_all(slot);
        }
    }
}
