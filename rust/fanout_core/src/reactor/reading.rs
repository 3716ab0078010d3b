//! What a client says, and what is done about it.

use std::borrow::Cow;
use std::io::{ErrorKind, Read};
use std::sync::Arc;

use super::connection::{Connection, Phase};
use super::context::{Context, sockets};
use super::frames::Frames;
use super::heartbeat::is_ping;
use super::stats::count;
use crate::close_code::{ABNORMAL, NO_STATUS, RATE_LIMITED, UNSUPPORTED_DATA};
use crate::frame::{EMPTY_CLOSE_FRAME, Event, Kind, Unread, close_frame, pong_frame};
use crate::notice::{Notice, Said};

/// Bytes read in one go, hence before the others have their turn; and the most that is kept of a connection whose message
/// is not answered.
pub(super) const READ_BYTES: usize = 64 * 1024;

/// Read a connection once, and do what it says.
pub(super) fn read(cx: &mut Context, connection: &mut Connection, scratch: &mut [u8]) {
    connection.flags.ready = false;
    if connection.is_open() {
        if connection.flags.asked {
            return; // the answer has it read again
        }
        if connection.flags.blocked && connection.unwritten() > cx.settings.outbox_limit() / 2 {
            // It does not read what it is sent; so what it sends is left to fill its own side.
            connection.flags.held_back = true;
            return;
        }
        let kept = connection
            .rare
            .as_mut()
            .map(|rare| std::mem::take(&mut rare.kept));
        if let Some(mut kept) = kept
            && !kept.is_empty()
        {
            feed(cx, connection, &mut kept);
            cx.read_later(connection); // it left readiness unused
            return;
        }
    }
    let Some(stream) = &mut connection.stream else {
        return;
    };
    match stream.read(scratch) {
        Ok(0) => cx.lose(connection, ABNORMAL),
        Ok(read) => {
            // Less than there was room for means that nothing is left, unless the peer's end stands behind it.
            let is_all = read < scratch.len() && !connection.flags.peer_done;
            feed(cx, connection, &mut scratch[..read]);
            if !is_all {
                cx.read_later(connection);
            }
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => {}
        Err(error) if error.kind() == ErrorKind::Interrupted => cx.read_later(connection),
        Err(_) => cx.lose(connection, ABNORMAL),
    }
}

/// Take what was read frame by frame, and send the answers in one go.
fn feed(cx: &mut Context, connection: &mut Connection, bytes: &mut [u8]) {
    let limit = cx.settings.message_limit();
    let rate = cx.settings.message_rate;
    let mut unread = Unread::new(bytes);
    while connection.phase < Phase::Lingering {
        let event = match connection.decoder.next(&mut unread, limit) {
            Ok(Some(event)) => event,
            Ok(None) => break,
            Err(violation) => {
                if connection.is_open() {
                    cx.close(connection, violation.close_code());
                }
                break;
            }
        };
        count(&cx.stats().frames_in, 1);
        connection
            .bucket
            .fill(rate, cx.now - connection.seen.min(cx.now));
        connection.seen = cx.now;
        if !connection.is_open() {
            if let Event::Close { code, .. } = event {
                // It closes too, before it can have seen ours: what it says is why it went, and it waits for no more than
                // the answer.
                connection.discard(&sockets(&cx.core).budget);
                connection.queue_close(echo(code), &sockets(&cx.core).budget);
                connection.code = code.unwrap_or(NO_STATUS);
                cx.tell(connection);
            }
            continue;
        }
        // Before all else: a message that breaks another rule has still been sent.
        if event.is_rated() && !connection.bucket.take(rate) {
            count(&cx.stats().rate_limited, 1);
            cx.close(connection, RATE_LIMITED);
            continue;
        }
        obey(cx, connection, event);
        if connection.flags.asked {
            if !unread.rest().is_empty() {
                connection.rare().kept = unread.rest().to_vec();
            }
            break;
        }
    }
    cx.flush(connection);
}

/// Do what one frame of an open connection says.
fn obey(cx: &mut Context, connection: &mut Connection, event: Event<'_>) {
    let takes_all = cx.settings.all_messages;
    match event {
        Event::Text(text) if !takes_all && is_ping(&text) => {
            count(&cx.stats().pings, 1);
            cx.answer_ping(connection);
        }
        Event::Text(text) => ask(cx, connection, Said::Text(boxed(text))),
        Event::Binary(bytes) if takes_all => {
            ask(cx, connection, Said::Binary(bytes.into_owned().into()));
        }
        Event::Fragment(Kind::Binary) if takes_all => {}
        Event::Binary(_) | Event::Fragment(Kind::Binary) => {
            cx.close(connection, UNSUPPORTED_DATA);
        }
        Event::Fragment(Kind::Text) | Event::Pong(_) => {}
        Event::Ping(payload) => {
            count(&cx.stats().pings, 1);
            cx.queue_past_held(connection, Frames::whole(pong_frame(&payload)));
        }
        Event::Close { code, .. } => {
            let identity = cx.core.depart(connection.address.connection, cx.owner);
            // Of what waits it would read nothing any more.
            cx.drop_held(connection);
            connection.discard(&sockets(&cx.core).budget);
            cx.begin_close(connection, code.unwrap_or(NO_STATUS), echo(code), identity);
            cx.tell(connection);
        }
    }
}

/// Hand a message to Python; the connection is not read until it is answered.
fn ask(cx: &mut Context, connection: &mut Connection, said: Said) {
    count(&cx.stats().messages, 1);
    connection.flags.asked = true;
    let id = connection.address.connection;
    cx.sockets().notices.push(Notice::Message(id, said));
}

/// The answer to a close: its own code, or none if it had none.
fn echo(code: Option<u16>) -> Frames {
    Frames::whole(match code {
        Some(code) => close_frame(code, ""),
        None => Arc::from(EMPTY_CLOSE_FRAME),
    })
}

fn boxed(text: Cow<'_, str>) -> Box<str> {
    text.into_owned().into()
}
