//! Sending genuine device events through the kernel.

use std::io;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::netlink::{self, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

use crate::address::Bdf;

/// Hands uevents to the kernel, which announces them as its own to everybody who listens in this network namespace.
///
/// The kernel takes them from a process with `CAP_SYS_ADMIN` in the user namespace that owns the network namespace
/// (Linux 4.18 and later, `lib/kobject_uevent.c`), adds a `SEQNUM` and multicasts them, also for devices that it
/// doesn't know.
#[derive(Debug)]
pub struct Injector {
    socket: OwnedFd,
    sequence: u32,
}

/// Why an event was not sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InjectError {
    /// The process may not.
    #[error(
        "the kernel takes device events only from a process with CAP_SYS_ADMIN over its network namespace: run as \
         root of that namespace, or in one of your own (`unshare -Urmn`)"
    )]
    NotPermitted,
    /// What was to be sent is no uevent.
    #[error("not a device event: {0}")]
    Malformed(&'static str),
    /// The kernel did not answer, or with something else than an acknowledgement.
    #[error("the kernel did not acknowledge the device event; it may be older than Linux 4.18")]
    NoAcknowledgement,
    /// Another error of the system.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

/// Length of a `struct nlmsghdr` (`linux/netlink.h`).
const HEADER: usize = 16;
/// `NLMSG_MIN_TYPE`: smaller types are netlink's own control messages, which the kernel skips.
const MESSAGE_TYPE: u16 = 0x10;
/// `NLM_F_REQUEST | NLM_F_ACK`.
const FLAGS: u16 = 0x01 | 0x04;
/// `NLMSG_ERROR`, which is also the acknowledgement, with the error 0.
const NLMSG_ERROR: u16 = 2;
/// `UEVENT_BUFFER_SIZE` (`linux/kobject.h`): header, text and the `SEQNUM` that the kernel adds.
const KERNEL_LIMIT: usize = 2048;
/// `SEQNUM=` and the digits of a u64, with its NUL.
const SEQUENCE_NUMBER: usize = 7 + 21;

impl Injector {
    /// Opens the socket. Needs no privilege: the kernel judges each event when it is sent.
    ///
    /// # Errors
    /// [`InjectError::System`] if the socket can't be had.
    pub fn new() -> Result<Self, InjectError> {
        let socket = rustix::net::socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            Some(netlink::KOBJECT_UEVENT),
        )
        .map_err(|errno| system("opening a netlink socket", errno))?;
        // No group: this socket hears only what is addressed to it, the acknowledgements.
        rustix::net::bind(&socket, &SocketAddrNetlink::new(0, 0))
            .map_err(|errno| system("binding a netlink socket", errno))?;
        Ok(Self { socket, sequence: 0 })
    }

    /// Announces a `change` of the PCI device `address`, as a driver of an accelerator would: `event` is `error`,
    /// `restarting` or `restarted`, `number` the device's number.
    ///
    /// # Errors
    /// As [`Injector::send`].
    pub fn announce(&mut self, address: Bdf, number: u32, event: &str) -> Result<(), InjectError> {
        let slot = address.to_string();
        let number = number.to_string();
        let properties = [
            ("SUBSYSTEM", "pci"),
            ("PCI_SLOT_NAME", slot.as_str()),
            ("qat_event", event),
            ("accelid", number.as_str()),
        ];
        self.send("change", &device_path(address), &properties)
    }

    /// Sends one event: `action@devpath`, `ACTION`, `DEVPATH`, and the given properties, among which `SUBSYSTEM`
    /// should be. Returns when the kernel has multicast it, or refused. Does not block.
    ///
    /// # Errors
    /// [`InjectError`].
    pub fn send(
        &mut self,
        action: &str,
        devpath: &str,
        properties: &[(&str, &str)],
    ) -> Result<(), InjectError> {
        self.sequence = self.sequence.wrapping_add(1);
        let message = message(self.sequence, action, devpath, properties)?;
        let kernel = SocketAddrNetlink::new(0, 0);
        match rustix::net::sendto(&self.socket, &message, SendFlags::empty(), &kernel) {
            Ok(_) => self.acknowledgement(),
            Err(Errno::PERM | Errno::ACCESS) => Err(InjectError::NotPermitted),
            Err(errno) => Err(system("sending a device event", errno)),
        }
    }

    /// The kernel handles the message within `sendto`, so the answer is there already.
    fn acknowledgement(&self) -> Result<(), InjectError> {
        let mut answer = [0_u8; 256];
        // Answers to earlier messages, should one have been left behind, are passed over: a few at most.
        for _ in 0..8 {
            let length = match rustix::net::recv(&self.socket, &mut answer, RecvFlags::DONTWAIT) {
                Ok((length, _)) => length.min(answer.len()),
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => return Err(InjectError::NoAcknowledgement),
                Err(errno) => return Err(system("reading the answer to a device event", errno)),
            };
            if let Some(error) = answer.get(..length).and_then(|answer| answered(answer, self.sequence)) {
                return match error {
                    0 => Ok(()),
                    error if error == -Errno::PERM.raw_os_error() => Err(InjectError::NotPermitted),
                    error => {
                        let source = io::Error::from_raw_os_error(error.saturating_neg());
                        Err(InjectError::System { what: "the kernel refused a device event", source })
                    }
                };
            }
        }
        Err(InjectError::NoAcknowledgement)
    }
}

/// Where a PCI device on its root bus lies in sysfs, as `DEVPATH` has it.
fn device_path(address: Bdf) -> String {
    format!("/devices/pci{:04x}:{:02x}/{address}", address.domain, address.bus)
}

fn system(what: &'static str, errno: Errno) -> InjectError {
    InjectError::System { what, source: errno.into() }
}

fn message(
    sequence: u32,
    action: &str,
    devpath: &str,
    properties: &[(&str, &str)],
) -> Result<Vec<u8>, InjectError> {
    let mut text = Vec::new();
    push(&mut text, &[action, "@", devpath])?;
    push(&mut text, &["ACTION=", action])?;
    push(&mut text, &["DEVPATH=", devpath])?;
    for (key, value) in properties {
        if key.is_empty() || key.contains('=') {
            return Err(InjectError::Malformed("a property's name is empty or contains `=`"));
        }
        push(&mut text, &[key, "=", value])?;
    }
    let length = HEADER + text.len();
    if length + SEQUENCE_NUMBER > KERNEL_LIMIT {
        return Err(InjectError::Malformed("it is longer than the kernel's 2048 bytes"));
    }
    let Ok(length) = u32::try_from(length) else {
        return Err(InjectError::Malformed("it is too long"));
    };
    let mut message = Vec::new();
    message.extend_from_slice(&length.to_ne_bytes());
    message.extend_from_slice(&MESSAGE_TYPE.to_ne_bytes());
    message.extend_from_slice(&FLAGS.to_ne_bytes());
    message.extend_from_slice(&sequence.to_ne_bytes());
    message.extend_from_slice(&0_u32.to_ne_bytes());
    message.append(&mut text);
    Ok(message)
}

fn push(text: &mut Vec<u8>, parts: &[&str]) -> Result<(), InjectError> {
    for part in parts {
        if part.contains('\0') {
            return Err(InjectError::Malformed("a NUL within a word"));
        }
        text.extend_from_slice(part.as_bytes());
    }
    text.push(0);
    Ok(())
}

/// The error (0: none) that `answer` gives to the message `sequence`; none if it answers something else.
fn answered(answer: &[u8], sequence: u32) -> Option<i32> {
    let kind = u16::from_ne_bytes(answer.get(4..6)?.try_into().ok()?);
    let of = u32::from_ne_bytes(answer.get(8..12)?.try_into().ok()?);
    let error = i32::from_ne_bytes(answer.get(HEADER..HEADER + 4)?.try_into().ok()?);
    (kind == NLMSG_ERROR && of == sequence).then_some(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_what_the_kernel_expects() {
        let message = message(7, "change", "/devices/x", &[("SUBSYSTEM", "pci")]).unwrap();
        let text = b"change@/devices/x\0ACTION=change\0DEVPATH=/devices/x\0SUBSYSTEM=pci\0";
        assert_eq!(&message[HEADER..], text);
        assert_eq!(u32::from_ne_bytes(message[..4].try_into().unwrap()) as usize, message.len());
        assert_eq!(message[8..12], 7_u32.to_ne_bytes());
    }

    #[test]
    fn what_is_no_event_is_refused_before_it_is_sent() {
        let long = "x".repeat(KERNEL_LIMIT);
        for (path, key, value) in
            [("/d", "", "v"), ("/d", "a=b", "v"), ("/d", "a", "v\0w"), ("/d\0", "a", "v"), ("/d", "a", &long)]
        {
            assert!(matches!(message(1, "change", path, &[(key, value)]), Err(InjectError::Malformed(_))));
        }
    }

    #[test]
    fn only_the_answer_to_the_message_counts() {
        let mut answer = [0_u8; 36];
        answer[4..6].copy_from_slice(&NLMSG_ERROR.to_ne_bytes());
        answer[8..12].copy_from_slice(&5_u32.to_ne_bytes());
        answer[16..20].copy_from_slice(&(-1_i32).to_ne_bytes());
        assert_eq!(answered(&answer, 5), Some(-1));
        assert_eq!(answered(&answer, 6), None);
        assert_eq!(answered(&answer[..18], 5), None);
        assert_eq!(answered(&[], 5), None);
    }
}
