// SPDX-FileCopyrightText: The VES Appchain contributors
// SPDX-License-Identifier: Apache-2.0

//! A network device whose other end is this program: what the kernel sends through it is read here,
//! and what is written here arrives (Linux's TUN, `Documentation/networking/tuntap.rst`).

#![expect(unsafe_code, reason = "one system call that no safe library makes")]

use std::{
    fs::File,
    io::{self, ErrorKind, Read, Write},
    os::fd::AsRawFd,
};

/// Bytes of a device's name, the zero at its end included.
const NAME_BYTES: usize = 16;

/// The part of C's `struct ifreq` that the call reads, and the room that it may use.
#[repr(C)]
struct Request {
    name: [u8; NAME_BYTES],
    flags: libc::c_short,
    rest: [u8; 22],
}

/// A device of IP packets. It is gone when this is dropped.
pub(crate) struct Device(File);

impl Device {
    /// Makes a device in this namespace. It is down.
    pub(crate) fn new(name: &str) -> io::Result<Self> {
        let too_long = || io::Error::new(ErrorKind::InvalidInput, "the name is too long");
        let mut request = Request {
            name: [0; NAME_BYTES],
            // Packets alone, without a header of the driver's.
            flags: (libc::IFF_TUN | libc::IFF_NO_PI)
                .try_into()
                .map_err(io::Error::other)?,
            rest: [0; 22],
        };
        if name.len() >= NAME_BYTES {
            return Err(too_long());
        }
        let place = request.name.get_mut(..name.len()).ok_or_else(too_long)?;
        place.copy_from_slice(name.as_bytes());
        let file = File::options()
            .read(true)
            .write(true)
            .open("/dev/net/tun")?;
        // SAFETY: the descriptor is open, and the request is as long as the kernel's `struct ifreq` (40 bytes),
        // initialised, and lives until the call returns.
        let code = unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, &mut request) };
        if code < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self(file))
    }

    /// Waits for a packet and tells its length. A longer one than the buffer is cut.
    pub(crate) fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        (&self.0).read(buffer)
    }

    /// Sends one packet.
    pub(crate) fn send(&self, packet: &[u8]) -> io::Result<usize> {
        (&self.0).write(packet)
    }
}
