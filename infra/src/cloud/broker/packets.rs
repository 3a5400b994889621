//! Between the packets of MQTT 3.1.1 and 5 and the few things that the broker cares about. The one
//! file that knows packet types.

use mqtt_protocol_core::mqtt::packet::{GenericPacket, Packet, Qos, SubEntry, v3_1_1, v5_0};
use mqtt_protocol_core::mqtt::result_code::{
    ConnectReasonCode, ConnectReturnCode, DisconnectReasonCode, MqttError, SubackReasonCode,
    SubackReturnCode, UnsubackReasonCode,
};
use mqtt_protocol_core::mqtt::{Connection, Version, role};

use super::hub::Message;

/// The state machine of one connection, without I/O.
pub(super) type Protocol = Connection<role::Server>;

/// What a client asks.
#[derive(Debug)]
pub(super) enum Request {
    Connect {
        client_id: String,
        clean: bool,
        will: Option<Message>,
    },
    Publish {
        message: Message,
        packet_id: Option<u16>,
    },
    Subscribe {
        packet_id: u16,
        filters: Vec<(String, bool)>,
    },
    Unsubscribe {
        packet_id: u16,
        filters: Vec<String>,
    },
    Acknowledged {
        packet_id: u16,
    },
    Disconnect,
    /// Needs no answer of ours (a ping, which the state machine answers).
    Nothing,
    /// Something that AWS IoT Core does not do.
    Unsupported(&'static str),
}

/// Reads a packet.
pub(super) fn request(packet: GenericPacket<u16>) -> Request {
    match packet {
        Packet::V3_1_1Connect(connect) => Request::Connect {
            client_id: connect.client_id().to_owned(),
            clean: connect.clean_session(),
            will: will(
                connect.will_topic(),
                connect.will_payload(),
                connect.will_qos(),
                connect.will_retain(),
            ),
        },
        Packet::V5_0Connect(connect) => Request::Connect {
            client_id: connect.client_id().to_owned(),
            clean: connect.clean_start(),
            will: will(
                connect.will_topic(),
                connect.will_payload(),
                connect.will_qos(),
                connect.will_retain(),
            ),
        },
        Packet::V3_1_1Publish(publish) => published(
            publish.topic_name(),
            publish.payload().as_slice(),
            publish.qos(),
            publish.retain(),
            publish.packet_id(),
        ),
        Packet::V5_0Publish(publish) => published(
            publish.topic_name(),
            publish.payload().as_slice(),
            publish.qos(),
            publish.retain(),
            publish.packet_id(),
        ),
        Packet::V3_1_1Subscribe(subscribe) => Request::Subscribe {
            packet_id: subscribe.packet_id(),
            filters: subscriptions(subscribe.entries()),
        },
        Packet::V5_0Subscribe(subscribe) => Request::Subscribe {
            packet_id: subscribe.packet_id(),
            filters: subscriptions(subscribe.entries()),
        },
        Packet::V3_1_1Unsubscribe(unsubscribe) => Request::Unsubscribe {
            packet_id: unsubscribe.packet_id(),
            filters: unsubscribe.entries().iter().map(|one| one.as_str().to_owned()).collect(),
        },
        Packet::V5_0Unsubscribe(unsubscribe) => Request::Unsubscribe {
            packet_id: unsubscribe.packet_id(),
            filters: unsubscribe.entries().iter().map(|one| one.as_str().to_owned()).collect(),
        },
        Packet::V3_1_1Puback(ack) => Request::Acknowledged { packet_id: ack.packet_id() },
        Packet::V5_0Puback(ack) => Request::Acknowledged { packet_id: ack.packet_id() },
        Packet::V3_1_1Disconnect(_) | Packet::V5_0Disconnect(_) => Request::Disconnect,
        Packet::V3_1_1Pingreq(_) | Packet::V5_0Pingreq(_) => Request::Nothing,
        Packet::V5_0Auth(_) => Request::Unsupported("AUTH"),
        _ => Request::Unsupported("a packet of QoS 2 or of a server"),
    }
}

/// Filters, and whether each is asked for at QoS 1 or above.
fn subscriptions(entries: &[SubEntry]) -> Vec<(String, bool)> {
    let one = |entry: &SubEntry| {
        (entry.topic_filter().to_owned(), entry.sub_opts().qos() != Qos::AtMostOnce)
    };
    entries.iter().map(one).collect()
}

fn will(topic: Option<&str>, payload: Option<&[u8]>, qos: Qos, retain: bool) -> Option<Message> {
    Some(Message {
        topic: topic?.to_owned(),
        payload: payload.unwrap_or_default().to_vec(),
        at_least_once: qos != Qos::AtMostOnce,
        retain,
    })
}

fn published(
    topic: &str,
    payload: &[u8],
    qos: Qos,
    retain: bool,
    packet_id: Option<u16>,
) -> Request {
    if qos == Qos::ExactlyOnce {
        return Request::Unsupported("QoS 2");
    }
    let message = Message {
        topic: topic.to_owned(),
        payload: payload.to_vec(),
        at_least_once: qos == Qos::AtLeastOnce,
        retain,
    };
    Request::Publish { message, packet_id }
}

/// The answers, in the version that the client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    V3,
    V5,
}

impl Dialect {
    pub(super) fn of(protocol: &Protocol) -> Self {
        match protocol.get_protocol_version() {
            Version::V5_0 => Self::V5,
            _ => Self::V3,
        }
    }

    pub(super) fn connack(
        self,
        accepted: bool,
        session_present: bool,
    ) -> Result<Packet, MqttError> {
        Ok(match self {
            Self::V3 => {
                let code = if accepted {
                    ConnectReturnCode::Accepted
                } else {
                    ConnectReturnCode::NotAuthorized
                };
                v3_1_1::Connack::builder()
                    .return_code(code)
                    .session_present(session_present)
                    .build()?
                    .into()
            }
            Self::V5 => {
                let code = if accepted {
                    ConnectReasonCode::Success
                } else {
                    ConnectReasonCode::NotAuthorized
                };
                v5_0::Connack::builder()
                    .reason_code(code)
                    .session_present(session_present)
                    .build()?
                    .into()
            }
        })
    }

    pub(super) fn puback(self, packet_id: u16) -> Result<Packet, MqttError> {
        Ok(match self {
            Self::V3 => v3_1_1::Puback::builder().packet_id(packet_id).build()?.into(),
            Self::V5 => v5_0::Puback::builder().packet_id(packet_id).build()?.into(),
        })
    }

    pub(super) fn suback(self, packet_id: u16, granted: &[bool]) -> Result<Packet, MqttError> {
        Ok(match self {
            Self::V3 => {
                let code = |at_least_once: &bool| {
                    if *at_least_once {
                        SubackReturnCode::SuccessMaximumQos1
                    } else {
                        SubackReturnCode::SuccessMaximumQos0
                    }
                };
                v3_1_1::Suback::builder()
                    .packet_id(packet_id)
                    .return_codes(granted.iter().map(code).collect())
                    .build()?
                    .into()
            }
            Self::V5 => {
                let code = |at_least_once: &bool| {
                    if *at_least_once {
                        SubackReasonCode::GrantedQos1
                    } else {
                        SubackReasonCode::GrantedQos0
                    }
                };
                v5_0::Suback::builder()
                    .packet_id(packet_id)
                    .reason_codes(granted.iter().map(code).collect())
                    .build()?
                    .into()
            }
        })
    }

    pub(super) fn unsuback(self, packet_id: u16, filters: usize) -> Result<Packet, MqttError> {
        Ok(match self {
            Self::V3 => v3_1_1::Unsuback::builder().packet_id(packet_id).build()?.into(),
            Self::V5 => v5_0::Unsuback::builder()
                .packet_id(packet_id)
                .reason_codes(vec![UnsubackReasonCode::Success; filters])
                .build()?
                .into(),
        })
    }

    pub(super) fn publish(
        self,
        message: &Message,
        packet_id: Option<u16>,
    ) -> Result<Packet, MqttError> {
        let qos = if packet_id.is_some() { Qos::AtLeastOnce } else { Qos::AtMostOnce };
        let payload = message.payload.clone();
        Ok(match self {
            Self::V3 => {
                let publish = v3_1_1::Publish::builder()
                    .topic_name(&message.topic)?
                    .qos(qos)
                    .retain(message.retain)
                    .payload(payload);
                match packet_id {
                    Some(id) => publish.packet_id(id).build()?.into(),
                    None => publish.build()?.into(),
                }
            }
            Self::V5 => {
                let publish = v5_0::Publish::builder()
                    .topic_name(&message.topic)?
                    .qos(qos)
                    .retain(message.retain)
                    .payload(payload);
                match packet_id {
                    Some(id) => publish.packet_id(id).build()?.into(),
                    None => publish.build()?.into(),
                }
            }
        })
    }

    /// What a client of version 5 is told before it is cut off; 3.1.1 has no such word.
    pub(super) fn goodbye(self) -> Result<Option<Packet>, MqttError> {
        Ok(match self {
            Self::V3 => None,
            Self::V5 => Some(
                v5_0::Disconnect::builder()
                    .reason_code(DisconnectReasonCode::NotAuthorized)
                    .build()?
                    .into(),
            ),
        })
    }
}
