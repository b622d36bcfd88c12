//! Connections of a small asynchronous TLS server that are cut off in mid-handshake, as HAProxy does it: the job is paused, and the
//! connection is freed.

use std::ffi::{CStr, CString, c_char, c_int, c_long, c_void};
use std::path::Path;
use std::process::Command;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::{AtomicIsize, Ordering};
use std::time::Duration;

use hotspare_device::stats::Counter;
use hotspare_tests::mode::{Mode, Setup};
use hotspare_tests::openssl::job;
use hotspare_tests::openssl::{Library, OpensslError, Side};
use hotspare_tests::process;
use hotspare_tests::random::{self, Random};
use hotspare_tests::scratch::Scratch;
use openssl_sys as ossl;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::alone::{alone, descriptors};
use crate::{PATIENCE, eventually};

/// How many are cut off.
const CONNECTIONS: usize = 10_000;
/// Sets another number.
const CONNECTIONS_VARIABLE: &str = "HOTSPARE_TEST_CONNECTIONS";
/// How many are cut off before anything is measured.
const FIRST: usize = 500;
/// What a connection that was cut off may leave behind of ours, beside what OpenSSL and the application leave. That is: an operation that
/// belongs to a context of OpenSSL's, which lies on the lost stack.
const LEFT_MAX_BYTES: isize = 1024;

unsafe extern "C" {
    fn SSL_CTX_new_ex(
        library: *mut ossl::OSSL_LIB_CTX,
        properties: *const c_char,
        method: *const ossl::SSL_METHOD,
    ) -> *mut ossl::SSL_CTX;
    fn SSL_CTX_set_cert_cb(
        context: *mut ossl::SSL_CTX,
        callback: Option<unsafe extern "C" fn(*mut ossl::SSL, *mut c_void) -> c_int>,
        argument: *mut c_void,
    );
    fn SSL_get_all_async_fds(connection: *mut ossl::SSL, descriptors: *mut c_int, count: *mut usize)
    -> c_int;
    fn CRYPTO_set_mem_functions(
        allocate: Option<unsafe extern "C" fn(usize, *const c_char, c_int) -> *mut c_void>,
        reallocate: Option<unsafe extern "C" fn(*mut c_void, usize, *const c_char, c_int) -> *mut c_void>,
        free: Option<unsafe extern "C" fn(*mut c_void, *const c_char, c_int)>,
    ) -> c_int;
}

/// `/proc/self/statm` counts in pages.
const PAGE_BYTES: isize = 4096;
const SSL_MODE_ASYNC: c_long = 0x100;
const SSL_CTRL_MODE: c_int = 33;
const SSL_CTRL_SET_MAX_PROTO_VERSION: c_int = 124;
const SSL_CTRL_SET_GROUPS_LIST: c_int = 92;
const SSL_ERROR_WANT_ASYNC: c_int = 9;

/// What OpenSSL has allocated and not freed, in bytes.
static OPENSSL: AtomicIsize = AtomicIsize::new(0);

fn size_of_block(block: *mut c_void) -> isize {
    // SAFETY: null, or a block that came from `malloc`.
    unsafe { libc::malloc_usable_size(block) }.try_into().unwrap()
}

unsafe extern "C" fn allocate(size: usize, _file: *const c_char, _line: c_int) -> *mut c_void {
    // SAFETY: an allocation of this size.
    let block = unsafe { libc::malloc(size) };
    OPENSSL.fetch_add(size_of_block(block), Ordering::Relaxed);
    block
}

unsafe extern "C" fn reallocate(
    block: *mut c_void,
    size: usize,
    _file: *const c_char,
    _line: c_int,
) -> *mut c_void {
    OPENSSL.fetch_sub(size_of_block(block), Ordering::Relaxed);
    // SAFETY: OpenSSL's block, which came from `malloc`.
    let block = unsafe { libc::realloc(block, size) };
    OPENSSL.fetch_add(size_of_block(block), Ordering::Relaxed);
    block
}

unsafe extern "C" fn free(block: *mut c_void, _file: *const c_char, _line: c_int) {
    OPENSSL.fetch_sub(size_of_block(block), Ordering::Relaxed);
    // SAFETY: as above.
    unsafe { libc::free(block) };
}

/// A moment's memory and descriptors.
#[derive(Debug, Clone, Copy)]
struct Measured {
    /// Allocated in this process, by whomever.
    all: isize,
    openssl: isize,
    resident: isize,
    descriptors: isize,
}

impl Measured {
    fn now() -> Self {
        // SAFETY: no arguments.
        let heap = unsafe { libc::mallinfo2() };
        let pages: isize =
            std::fs::read_to_string("/proc/self/statm").unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        Self {
            all: (heap.uordblks + heap.hblkhd).try_into().unwrap(),
            openssl: OPENSSL.load(Ordering::Relaxed),
            resident: pages * PAGE_BYTES,
            descriptors: descriptors().try_into().unwrap(),
        }
    }

    /// What each of `count` connections has left since `before`.
    fn each(self, before: Self, count: usize) -> Self {
        let count = isize::try_from(count.max(1)).unwrap();
        Self {
            all: (self.all - before.all) / count,
            openssl: (self.openssl - before.openssl) / count,
            resident: (self.resident - before.resident) / count,
            descriptors: self.descriptors - before.descriptors,
        }
    }

    /// Without OpenSSL's.
    fn ours(self) -> isize {
        self.all - self.openssl
    }
}

/// A server's settings.
struct Server {
    context: NonNull<ossl::SSL_CTX>,
    /// First messages of clients, with different versions and groups.
    hellos: Vec<Vec<u8>>,
    library: Arc<Library>,
}

impl Server {
    /// One whose operations are looked for by `side`'s properties first.
    fn new(side: &Side, files: &Path, certificate: &str) -> Self {
        let properties = CString::new(format!("?provider={}", side.provider())).unwrap();
        // SAFETY: library context and string are valid; the method is a constant.
        let context = unsafe {
            SSL_CTX_new_ex(side.library().as_ptr(), properties.as_ptr(), ossl::TLS_server_method())
        };
        let context = NonNull::new(context).unwrap();
        let file =
            |kind| CString::new(files.join(format!("{certificate}.{kind}")).to_str().unwrap()).unwrap();
        let (chain, key) = (file("pem"), file("key"));
        // SAFETY: the context is ours, the strings are valid.
        unsafe {
            assert_eq!(ossl::SSL_CTX_use_certificate_chain_file(context.as_ptr(), chain.as_ptr()), 1);
            assert_eq!(
                ossl::SSL_CTX_use_PrivateKey_file(context.as_ptr(), key.as_ptr(), ossl::SSL_FILETYPE_PEM),
                1
            );
            ossl::SSL_CTX_ctrl(context.as_ptr(), SSL_CTRL_MODE, SSL_MODE_ASYNC, ptr::null_mut());
        }
        let hellos = hellos(side.library());
        Self { context, hellos, library: Arc::clone(side.library()) }
    }

    /// From now on its jobs are paused by the application itself, as they are asked for a certificate.
    fn pause_for_certificates(&self) {
        unsafe extern "C" fn pause(_connection: *mut ossl::SSL, _argument: *mut c_void) -> c_int {
            job::pause();
            1
        }
        // SAFETY: the context is ours; the function needs no argument.
        unsafe { SSL_CTX_set_cert_cb(self.context.as_ptr(), Some(pause), ptr::null_mut()) };
    }

    /// A connection that has sent its first message.
    fn accept(&self, hello: &[u8]) -> Connection {
        let connection = Connection::new(self.context.as_ptr());
        // SAFETY: the connection is ours, the slice says its length.
        unsafe {
            ossl::SSL_set_accept_state(connection.as_ptr());
            let length = c_int::try_from(hello.len()).unwrap();
            assert_eq!(ossl::BIO_write(connection.input, hello.as_ptr().cast(), length), length);
        }
        connection
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SAFETY: the context is ours.
        unsafe { ossl::SSL_CTX_free(self.context.as_ptr()) };
        let _ = &self.library;
    }
}

struct Connection {
    connection: NonNull<ossl::SSL>,
    input: *mut ossl::BIO,
    output: *mut ossl::BIO,
}

impl Connection {
    fn new(context: *mut ossl::SSL_CTX) -> Self {
        // SAFETY: the context is valid; the connection owns both BIOs.
        unsafe {
            let connection = NonNull::new(ossl::SSL_new(context)).unwrap();
            let (input, output) = (ossl::BIO_new(ossl::BIO_s_mem()), ossl::BIO_new(ossl::BIO_s_mem()));
            ossl::SSL_set_bio(connection.as_ptr(), input, output);
            Self { connection, input, output }
        }
    }

    fn as_ptr(&self) -> *mut ossl::SSL {
        self.connection.as_ptr()
    }

    /// Goes on with the handshake. True if its job is paused.
    fn go_on(&self) -> bool {
        // SAFETY: the connection is ours.
        unsafe {
            let result = ossl::SSL_do_handshake(self.as_ptr());
            let why = ossl::SSL_get_error(self.as_ptr(), result);
            assert!(
                why == SSL_ERROR_WANT_ASYNC || why == ossl::SSL_ERROR_WANT_READ,
                "{why}: {}",
                OpensslError::of("handshake")
            );
            why == SSL_ERROR_WANT_ASYNC
        }
    }

    fn is_woken(&self) -> bool {
        let (mut all, mut count) = ([-1; 8], 0);
        // SAFETY: the connection is ours; nobody has so many descriptors.
        let descriptors: Vec<_> = unsafe {
            assert_eq!(SSL_get_all_async_fds(self.as_ptr(), all.as_mut_ptr(), &raw mut count), 1);
            all[..count].iter().map(|one| std::os::fd::BorrowedFd::borrow_raw(*one)).collect()
        };
        let mut waiting: Vec<_> = descriptors.iter().map(|one| PollFd::new(one, PollFlags::IN)).collect();
        poll(&mut waiting, Some(&Timespec::try_from(PATIENCE).unwrap())).is_ok_and(|ready| ready > 0)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // SAFETY: the connection is ours.
        unsafe { ossl::SSL_free(self.as_ptr()) };
    }
}

/// What clients of different versions, with shares for different groups, say first.
pub(crate) fn hellos(library: &Arc<Library>) -> Vec<Vec<u8>> {
    let mut hellos = vec![];
    for version in [ossl::TLS1_2_VERSION, ossl::TLS1_3_VERSION] {
        for groups in [c"X25519:P-256", c"P-256:X25519", c"P-384:P-256"] {
            hellos.push(hello(library, version, groups));
        }
    }
    hellos
}

fn hello(library: &Arc<Library>, version: c_int, groups: &CStr) -> Vec<u8> {
    let mut message = vec![0; 4096];
    // SAFETY: library context and strings are valid; the message has as much room as is said.
    let length = unsafe {
        let context = SSL_CTX_new_ex(library.as_ptr(), c"provider=default".as_ptr(), ossl::TLS_method());
        ossl::SSL_CTX_ctrl(context, SSL_CTRL_SET_MAX_PROTO_VERSION, version.into(), ptr::null_mut());
        ossl::SSL_CTX_ctrl(context, SSL_CTRL_SET_GROUPS_LIST, 0, groups.as_ptr().cast_mut().cast());
        let client = Connection::new(context);
        ossl::SSL_set_connect_state(client.as_ptr());
        ossl::SSL_do_handshake(client.as_ptr());
        let length = ossl::BIO_read(client.output, message.as_mut_ptr().cast(), 4096);
        drop(client);
        ossl::SSL_CTX_free(context);
        length
    };
    message.truncate(length.try_into().unwrap());
    assert!(!message.is_empty());
    message
}

/// Certificates and keys for a server, made by the command.
pub(crate) fn make_certificates(files: &Path) {
    let configuration = files.join("req.cnf");
    std::fs::write(&configuration, "[req]\ndistinguished_name = name\n[name]\n").unwrap();
    for (name, kind) in [("rsa", "rsa:2048"), ("ec", "ec")] {
        let mut command = Command::new("openssl");
        command.env_remove("OPENSSL_CONF").args([
            "req",
            "-x509",
            "-nodes",
            "-subj",
            "/CN=test.invalid",
            "-newkey",
            kind,
        ]);
        if name == "ec" {
            command.args(["-pkeyopt", "group:P-256"]);
        }
        command.arg("-config").arg(&configuration);
        command
            .arg("-keyout")
            .arg(files.join(format!("{name}.key")))
            .arg("-out")
            .arg(files.join(format!("{name}.pem")));
        process::run(command, PATIENCE).unwrap();
    }
}

/// Cuts `count` connections off: each after a random number of pauses. Gives how many jobs were given up.
fn cut_off(servers: &[Server], count: usize, random: &mut Random) -> usize {
    let mut given_up = 0;
    for _ in 0..count {
        let server = random.choose(servers);
        let hello: &Vec<u8> = random.choose(&server.hellos);
        let connection = server.accept(hello);
        let mut left = random.below(4);
        while connection.go_on() {
            if left == 0 {
                // Some just after they were paused, some as the result comes, some later.
                std::thread::sleep(Duration::from_micros(
                    random.below(3).saturating_mul(300).try_into().unwrap(),
                ));
                given_up += 1;
                break;
            }
            left -= 1;
            assert!(connection.is_woken(), "not woken");
        }
    }
    given_up
}

pub(crate) fn connections() -> usize {
    std::env::var(CONNECTIONS_VARIABLE).map_or(CONNECTIONS, |number| number.parse().unwrap())
}

#[test]
fn cut_off_in_mid_handshake_leave_nothing_of_ours() {
    alone("connections::cut_off_in_mid_handshake_leave_nothing_of_ours", &[], || {
        // SAFETY: OpenSSL has allocated nothing yet, and the functions are a full set.
        assert_eq!(unsafe { CRYPTO_set_mem_functions(Some(allocate), Some(reallocate), Some(free)) }, 1);
        let seed = random::seed();
        let mut random = Random::new(seed, 0);
        let files = Scratch::new();
        make_certificates(files.path());

        // What OpenSSL leaves behind by itself: the same with its own provider, the application pausing the job.
        let plain = Setup::new(Mode::DefaultProvider, seed);
        let servers = ["rsa", "ec"].map(|name| Server::new(plain.reference(), files.path(), name));
        servers.iter().for_each(Server::pause_for_certificates);
        for server in &servers {
            for hello in &server.hellos {
                assert!(server.accept(hello).go_on());
            }
        }
        let before = Measured::now();
        let count = connections() / 10;
        for _ in 0..count {
            let server = random.choose(&servers);
            let hello: &Vec<u8> = random.choose(&server.hellos);
            assert!(server.accept(hello).go_on());
        }
        let openssl = Measured::now().each(before, count);
        println!("{count} paused and given up by the application, for each: {openssl:?}");

        let setup = Setup::new(Mode::Devices, seed);
        let servers = ["rsa", "ec"].map(|name| Server::new(setup.tested(), files.path(), name));
        cut_off(&servers, FIRST, &mut random);
        let before = Measured::now();
        let given_up = cut_off(&servers, connections(), &mut random);
        eventually("nothing is in flight", || setup.counters().value(Counter::InFlight) == 0);
        let each = Measured::now().each(before, given_up);
        println!(
            "{given_up} of {} paused by us and given up, for each: {each:?}, ours {}",
            connections(),
            each.ours()
        );
        let sum = setup.counters();
        println!("{} requests, {} abandoned", sum.value(Counter::Submitted), sum.value(Counter::Abandoned));
        assert_eq!(sum.imbalance(), 0, "law 2");
        assert!(given_up > connections() / 4 && sum.value(Counter::Abandoned) > 0);
        assert_eq!(each.descriptors, 0, "descriptors were leaked");
        assert!(each.ours() - openssl.ours() <= LEFT_MAX_BYTES, "{} bytes of ours", each.ours());
    });
}
