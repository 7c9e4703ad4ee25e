//! Who may look: orders to the camera from the lines, and from the privacy switch, for the capture thread to carry out.

use crate::shared::lock;
use mtcae_contract::Micros;
use mtcae_core::OfferedMode;
use mtcae_wire::{CameraAction, CameraMode, Mode, Text};
use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Orders that wait, at most.
const WAITING: usize = 8;
/// A switch that nobody has looked at for so long, microseconds, counts as private: the thread that looks hangs.
const BLIND: Micros = 2_000_000;

/// An order that came over the sink at `mail`.
pub(crate) struct Order {
    pub mail: usize,
    /// Who gave it, as [`Line::session`](crate::line::Line::session) tells them apart.
    pub session: Option<u64>,
    pub token: u32,
    pub action: CameraAction,
}

/// Between who gives orders and the capture thread.
#[derive(Default)]
pub(crate) struct CameraDesk {
    orders: Mutex<VecDeque<Order>>,
    modes: Mutex<Vec<OfferedMode>>,
    private: AtomicBool,
    /// The last look at the privacy switch; none where nothing is wired.
    looked: AtomicU64,
}

impl CameraDesk {
    /// Leaves an order; false when too many wait.
    pub fn order(&self, order: Order) -> bool {
        let mut orders = lock(&self.orders);
        let room = orders.len() < WAITING;
        if room {
            orders.push_back(order);
        }
        room
    }

    /// The oldest order.
    pub fn next(&self) -> Option<Order> {
        lock(&self.orders).pop_front()
    }

    /// Whether one of the orders that wait is to stop.
    pub fn stop_waits(&self) -> bool {
        lock(&self.orders).iter().any(|order| order.action == CameraAction::Stop)
    }

    /// Whether the privacy switch says that nobody may look.
    pub fn private(&self) -> bool {
        self.private.load(Ordering::SeqCst)
    }

    /// What the privacy switch says.
    pub fn set_private(&self, private: bool) {
        self.private.store(private, Ordering::SeqCst);
    }

    /// The switch was looked at, and is looked at again and again from now on.
    pub fn looked(&self, now: Micros) {
        self.looked.store(now.max(1), Ordering::SeqCst);
    }

    /// Whether nobody has looked at the switch for too long: then it is not known what it says.
    pub fn blind(&self, now: Micros) -> bool {
        let looked = self.looked.load(Ordering::SeqCst);
        looked > 0 && now.saturating_sub(looked) > BLIND
    }

    /// What the source offers; kept while it is closed.
    pub fn offer(&self, modes: Vec<OfferedMode>) {
        *lock(&self.modes) = modes;
    }

    /// What the source offered when it was open last.
    pub fn offered(&self) -> Vec<OfferedMode> {
        lock(&self.modes).clone()
    }

    /// The same for who asks, at most as many as one answer has room for; of more, those that can be used.
    pub fn listed(&self, token: u32, room: usize) -> Vec<CameraMode> {
        let mut modes = self.offered();
        if modes.len() > room {
            modes.sort_by_key(|m| (!m.current, !m.readable));
            modes.truncate(room);
        }
        let count = modes.len() as u16;
        let listed = modes.iter().zip(0..).map(|(m, index)| {
            let (current, readable) = (m.current, m.readable);
            CameraMode { token, index, count, mode: on_the_wire(m), current, readable }
        });
        listed.collect()
    }
}

fn on_the_wire(m: &OfferedMode) -> Mode {
    let short = |side: u32| u16::try_from(side).unwrap_or(u16::MAX);
    Mode {
        format: Text::new(&m.format),
        width: short(m.width),
        height: short(m.height),
        fps_tenths: m.fps.map_or(0, |fps| (fps * 10.0).round() as u16),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(width: u32, readable: bool, current: bool) -> OfferedMode {
        OfferedMode { format: "YUYV".into(), width, height: 480, fps: None, readable, current }
    }

    #[test]
    fn of_many_modes_the_useful_ones_are_told() {
        let desk = CameraDesk::default();
        let mut modes: Vec<OfferedMode> = (0..100).map(|i| mode(i, i >= 60, i == 99)).collect();
        desk.offer(modes.clone());
        let listed = desk.listed(7, 48);
        assert_eq!((listed.len(), listed[0].mode.width, listed[0].current), (48, 99, true));
        assert_eq!(listed.iter().filter(|m| m.readable).count(), 40);
        assert!(listed.iter().enumerate().all(|(i, m)| m.index == i as u16 && m.count == 48 && m.token == 7));
        modes.truncate(3);
        desk.offer(modes);
        assert_eq!(desk.listed(7, 48).iter().map(|m| m.mode.width).collect::<Vec<_>>(), [0, 1, 2]);
    }

    #[test]
    fn a_switch_that_is_not_looked_at_is_noticed() {
        let desk = CameraDesk::default();
        assert!(!desk.blind(9 * BLIND), "no switch is wired");
        desk.looked(10);
        assert!(!desk.blind(10 + BLIND) && desk.blind(11 + BLIND));
        desk.looked(12 + BLIND);
        assert!(!desk.blind(12 + BLIND), "somebody looks again");
    }

    #[test]
    fn only_so_many_orders_wait() {
        let desk = CameraDesk::default();
        let order = |token| Order { mail: 0, session: None, token, action: CameraAction::Stop };
        assert!((0..8).all(|token| desk.order(order(token))));
        assert!(!desk.order(order(8)) && desk.stop_waits());
        assert_eq!(desk.next().map(|o| o.token), Some(0));
        assert!(desk.order(order(9)));
    }
}
