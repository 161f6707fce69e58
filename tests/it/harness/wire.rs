//! A wire to a server that can be cut: what was sent on it is swallowed, and nobody is told.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Where it listens, and whether it is whole. Connections that were open when it was cut stay dead for ever, as those of
/// which a firewall has lost its record.
pub(crate) struct Wire {
    address: SocketAddr,
    state: watch::Sender<State>,
}

#[derive(Clone, Copy)]
struct State {
    is_whole: bool,
    cuts: u32,
}

impl Wire {
    /// A whole one.
    pub(crate) async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let (state, states) = watch::channel(State {
            is_whole: true,
            cuts: 0,
        });
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, server, states.clone()));
            }
        });
        Self { address, state }
    }

    /// Where it begins.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on nothing goes through, though connections stay open and are taken.
    pub(crate) fn cut(&self) {
        self.state.send_modify(|state| {
            state.is_whole = false;
            state.cuts += 1;
        });
    }

    /// New connections go through again.
    pub(crate) fn mend(&self) {
        self.state.send_modify(|state| state.is_whole = true);
    }
}

async fn carry(mut client: TcpStream, server: SocketAddr, mut states: watch::Receiver<State>) {
    let State { is_whole, cuts } = *states.borrow();
    if is_whole {
        let mut server = TcpStream::connect(server)
            .await
            .expect("the server listens");
        tokio::select! {
            _ = copy_bidirectional(&mut client, &mut server) => return,
            _ = states.wait_for(|state| state.cuts != cuts) => {}
        }
        // The server's side stays open as well.
        swallow(client).await;
        let _ = server.shutdown().await;
    } else {
        swallow(client).await;
    }
}

/// Until the client gives up.
async fn swallow(mut client: TcpStream) {
    let mut bytes = [0; 4096];
    while let Ok(1..) = client.read(&mut bytes).await {}
}
