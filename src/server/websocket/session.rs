//! One socket, from its first message to its close.

use std::net::IpAddr;
use std::time::Duration;

use async_graphql::parser::types::OperationType;
use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures_util::stream::{self, BoxStream, StreamExt};
use graphql_front::Parameters;
use serde_json::Value as Json;
use serde_json::value::RawValue;
use tokio::time::{Instant, interval_at, sleep, sleep_until, timeout};
use tokio_stream::StreamMap;

use super::super::State;
use super::super::connections::FLUSH_TIME;
use super::super::http::COST;
use super::protocol::{ClientMessage, Negotiated, Protocol};
use crate::auth::{Caller, Denied, SignedIn};
use crate::execution::OperationRequest;
use crate::execution::reply::{Reply, StreamItem};
use crate::telemetry::RequestId;

/// How long a client may take to send `connection_init`.
const INIT_TIMEOUT: Duration = Duration::from_secs(10);
/// Interval of pings.
const PING_INTERVAL: Duration = Duration::from_secs(20);
/// A client that is silent for this long, despite pings, is disconnected.
const SILENCE_TIMEOUT: Duration = Duration::from_mins(1);
/// Timeout of writing to the client.
const WRITE_TIMEOUT: Duration = Duration::from_mins(1);

/// Timeout of the closing handshake.
const CLOSING_TIMEOUT: Duration = Duration::from_secs(1);

/// The code and reason with which the server closes a socket.
#[derive(Debug)]
struct Close(u16, String);

impl Close {
    fn new(code: u16, reason: impl Into<String>) -> Self {
        Self(code, reason.into())
    }

    fn going_away() -> Self {
        Self::new(1012, "Service restart")
    }

    fn forbidden(reason: &str) -> Self {
        Self::new(4403, format!("Forbidden: {reason}"))
    }
}

/// Why a socket ends.
#[derive(Debug)]
enum End {
    /// The server closes it.
    Close(Close),
    /// The client closes it.
    Closed,
    /// The client disconnected without a close frame.
    Gone,
}

impl From<Close> for End {
    fn from(close: Close) -> Self {
        Self::Close(close)
    }
}

/// The state of a socket before its first message.
pub(super) struct Session {
    pub(super) negotiated: Negotiated,
    /// From the upgrade's headers.
    pub(super) signed_in: SignedIn,
    pub(super) address: IpAddr,
    pub(super) request_id: RequestId,
    /// From the upgrade's headers.
    pub(super) shows_cost: bool,
}

/// The next output of an operation.
enum OperationOutput {
    Next(Reply),
    /// It failed before execution.
    Refused(Reply),
    Completed,
}

struct Running {
    state: State,
    socket: WebSocket,
    negotiated: Negotiated,
    signed_in: SignedIn,
    address: IpAddr,
    request_id: RequestId,
    shows_cost: bool,
    has_begun: bool,
    operations: StreamMap<String, BoxStream<'static, OperationOutput>>,
    /// Operations that end at shutdown; the others complete.
    subscriptions: Vec<String>,
}

impl Session {
    /// Serves the socket until one side closes it.
    pub(super) async fn run(self, state: State, socket: WebSocket) {
        let mut running = Running {
            state,
            socket,
            negotiated: self.negotiated,
            signed_in: self.signed_in,
            address: self.address,
            request_id: self.request_id,
            shows_cost: self.shows_cost,
            has_begun: false,
            operations: StreamMap::new(),
            subscriptions: Vec::new(),
        };
        match running.serve().await {
            Ok(never) => match never {},
            Err(End::Gone) => {}
            Err(End::Closed) => running.finish_closing().await,
            Err(End::Close(Close(code, reason))) => running.close(code, reason).await,
        }
    }
}

/// The loop only ends with an error.
enum Never {}

impl Running {
    async fn serve(&mut self) -> Result<Never, End> {
        let stopping = self.state.stopping.clone();
        let mut is_stopping = false;
        let init_at = Instant::now() + INIT_TIMEOUT;
        let mut last_heard = Instant::now();
        let mut pings = interval_at(Instant::now() + PING_INTERVAL, PING_INTERVAL);
        loop {
            if is_stopping && self.operations.is_empty() {
                return Err(Close::going_away().into());
            }
            tokio::select! {
                () = stopping.cancelled(), if !is_stopping => {
                    is_stopping = true;
                    for id in std::mem::take(&mut self.subscriptions) {
                        self.operations.remove(&id);
                    }
                }
                () = sleep_until(init_at), if !self.has_begun => {
                    return Err(Close::new(4408, "Connection initialisation timeout").into());
                }
                () = self.signed_in.expired(), if self.has_begun => {
                    return Err(Close::forbidden("the token has expired").into());
                }
                _ = pings.tick() => {
                    if last_heard.elapsed() > SILENCE_TIMEOUT {
                        return Err(End::Gone);
                    }
                    self.send(Message::Ping(axum::body::Bytes::new())).await?;
                    if let Some(heartbeat) = self.protocol().heartbeat().filter(|_| self.has_begun) {
                        self.send_text(heartbeat).await?;
                    }
                }
                message = self.socket.recv() => {
                    last_heard = Instant::now();
                    match message {
                        Some(Ok(message)) => self.handle(message, is_stopping).await?,
                        // If the connection is lost, the close frame has no effect.
                        Some(Err(_)) => {
                            let maximum = self.state.options.max_body_bytes;
                            let reason = format!(
                                "Invalid message: it is broken, or has more than {maximum} bytes (MAX_BODY_BYTES)"
                            );
                            return Err(Close::new(4400, reason).into());
                        }
                        None => return Err(End::Gone),
                    }
                }
                Some((id, output)) = self.operations.next(), if !self.operations.is_empty() => {
                    self.hand_over(&id, output).await?;
                }
            }
        }
    }

    async fn handle(&mut self, message: Message, is_stopping: bool) -> Result<(), End> {
        let text = match message {
            Message::Text(text) => text,
            Message::Binary(_) => {
                return Err(Close::new(4400, "Invalid message: it must be text").into());
            }
            Message::Ping(_) | Message::Pong(_) => return Ok(()),
            Message::Close(_) => return Err(End::Closed),
        };
        let message = self.negotiated.read(&text);
        match message.map_err(|reason| Close::new(4400, reason))? {
            ClientMessage::Init(payload) => self.begin(payload.as_ref()).await,
            ClientMessage::Ping(payload) => self.send_text(Protocol::pong(payload.as_ref())).await,
            ClientMessage::Pong => Ok(()),
            ClientMessage::Terminate => Err(Close::new(1000, "").into()),
            ClientMessage::Start { .. } if !self.has_begun => {
                Err(Close::new(4401, "Unauthorized").into())
            }
            ClientMessage::Start { .. } if is_stopping => Err(Close::going_away().into()),
            ClientMessage::Start { id, payload } => self.start(id, &payload),
            ClientMessage::Stop { id } => {
                self.forget(&id);
                Ok(())
            }
        }
    }

    async fn begin(&mut self, payload: Option<&Json>) -> Result<(), End> {
        if self.has_begun {
            return Err(Close::new(4429, "Too many initialisation requests").into());
        }
        if let Some(payload) = payload {
            self.shows_cost |= field(payload, COST).is_some_and(is_one);
        }
        let authorization = payload.and_then(|payload| field(payload, "authorization"));
        if let Some(authorization) = authorization.and_then(Json::as_str) {
            let authenticated = self.state.authenticator.authenticate(Some(authorization));
            self.signed_in = authenticated.await.unwrap_or_else(SignedIn::from);
        }
        if let Caller::Anonymous(denied) = &self.signed_in.caller {
            return Err(match denied {
                Denied::KeysUnavailable => Close::new(1013, denied.to_string()),
                denied => Close::forbidden(&denied.to_string()),
            }
            .into());
        }
        self.has_begun = true;
        self.send_text(Protocol::ack()).await
    }

    fn start(&mut self, id: String, payload: &RawValue) -> Result<(), End> {
        if self.operations.contains_key(&id) {
            return Err(Close::new(4409, format!("Subscriber for {id} already exists")).into());
        }
        let maximum = self.state.options.max_socket_operations;
        if self.operations.len() >= maximum {
            let reason =
                format!("Too many operations: at most {maximum} are allowed (WS_MAX_OPERATIONS)");
            return Err(Close::new(4429, reason).into());
        }
        let output = match self.prepare(payload) {
            Ok((output, kind)) => {
                if kind == OperationType::Subscription {
                    self.subscriptions.push(id.clone());
                }
                output
            }
            Err(reply) => stream::once(async { OperationOutput::Refused(reply) }).boxed(),
        };
        self.operations.insert(id, output);
        Ok(())
    }

    fn prepare(
        &self,
        payload: &RawValue,
    ) -> Result<(BoxStream<'static, OperationOutput>, OperationType), Reply> {
        let request = Parameters::from_json(payload.get().as_bytes())
            .and_then(|parameters| {
                OperationRequest::new(parameters, self.request_id, self.shows_cost)
            })
            .map_err(Reply::refused)?;
        let caller = self.signed_in.caller.clone();
        (self.state.check_rate(&caller, self.address, 1)).map_err(|limited| limited.reply())?;
        let executor = self.state.executor.clone();
        let prepared = executor.prepare(request)?;
        let kind = prepared.operation_type();
        let output = if kind == OperationType::Subscription {
            let items = async move { executor.subscribe(caller, prepared, None).await };
            stream::once(items).flat_map(from_subscription).boxed()
        } else {
            let reply = async move {
                let deadline = executor.deadline();
                executor.execute(caller, prepared, deadline).await
            };
            stream::once(reply).flat_map(from_reply).boxed()
        };
        Ok((output, kind))
    }

    async fn hand_over(&mut self, id: &str, output: OperationOutput) -> Result<(), End> {
        match output {
            OperationOutput::Next(reply) => self.send_text(self.protocol().next(id, &reply)).await,
            OperationOutput::Refused(reply) => {
                self.forget(id);
                self.send_text(self.protocol().error(id, &reply)).await
            }
            OperationOutput::Completed => {
                self.forget(id);
                self.send_text(Protocol::complete(id)).await
            }
        }
    }

    fn forget(&mut self, id: &str) {
        self.operations.remove(id);
        self.subscriptions.retain(|subscription| subscription != id);
    }

    async fn send_text(&mut self, text: String) -> Result<(), End> {
        self.send(Message::Text(text.into())).await
    }

    /// Sends a message, however slow the client is, within the timeout.
    async fn send(&mut self, message: Message) -> Result<(), End> {
        let stopping = self.state.stopping.clone();
        let too_late = async {
            stopping.cancelled().await;
            sleep(FLUSH_TIME).await;
        };
        tokio::select! {
            biased;
            sent = timeout(WRITE_TIMEOUT, self.socket.send(message)) => match sent {
                Ok(Ok(())) => Ok(()),
                Ok(Err(_)) | Err(_) => Err(End::Gone),
            },
            () = too_late => Err(End::Gone),
        }
    }

    async fn close(&mut self, code: u16, reason: String) {
        // The reason of a close frame has at most 123 bytes.
        let reason: String = reason.chars().take(100).filter(char::is_ascii).collect();
        let frame = CloseFrame {
            code,
            reason: reason.into(),
        };
        if self.send(Message::Close(Some(frame))).await.is_err() {
            return;
        }
        self.finish_closing().await;
    }

    /// Completes the closing handshake: reading sends the response to the client's close frame, or waits for the
    /// client's response to ours. Dropping the connection earlier could lose either, and the client would see code
    /// 1006.
    async fn finish_closing(&mut self) {
        let _ = timeout(CLOSING_TIMEOUT, async {
            while let Some(Ok(_)) = self.socket.recv().await {}
        })
        .await;
    }

    const fn protocol(&self) -> Protocol {
        self.negotiated.protocol()
    }
}

/// A value in `connection_init` that replaces a header: in any letter case, at the top level or in `headers`.
fn field<'p>(payload: &'p Json, name: &str) -> Option<&'p Json> {
    let of_object = |object: &'p Json| {
        let mut fields = object.as_object()?.iter();
        let (_, value) = fields.find(|(given, _)| given.eq_ignore_ascii_case(name))?;
        Some(value)
    };
    of_object(payload).or_else(|| of_object(payload.get("headers")?))
}

/// A number is accepted too, since this is not a header.
fn is_one(value: &Json) -> bool {
    *value == "1" || *value == 1
}

/// Without a last reply there is no completion: the server stops, and the client should reconnect.
fn from_subscription(
    items: Result<BoxStream<'static, StreamItem>, Reply>,
) -> BoxStream<'static, OperationOutput> {
    match items {
        Ok(items) => items
            .flat_map(|item| {
                let completed = item.is_last.then_some(OperationOutput::Completed);
                stream::iter(
                    [OperationOutput::Next(item.reply)]
                        .into_iter()
                        .chain(completed),
                )
            })
            .boxed(),
        Err(reply) => stream::once(async { OperationOutput::Refused(reply) }).boxed(),
    }
}

fn from_reply(reply: Reply) -> BoxStream<'static, OperationOutput> {
    if reply.is_refused() {
        return stream::once(async { OperationOutput::Refused(reply) }).boxed();
    }
    stream::iter([OperationOutput::Next(reply), OperationOutput::Completed]).boxed()
}
