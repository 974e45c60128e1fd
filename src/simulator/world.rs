//! The organisation: queues, users, presences, wrap-up codes; the same for the same seed.
//!
//! In: seed and sizes · Out: [`World`] · Thread: built once, then only read.

use super::json::Id;
use super::options::Options;
use super::when::Ms;
use fastrand::Rng;

/// The media that the centre handles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Media {
    Voice,
    Message,
    Email,
    Callback,
}

pub(super) const ALL_MEDIA: [Media; 4] = [Media::Voice, Media::Message, Media::Email, Media::Callback];

impl Media {
    /// The name in analytics.
    pub(super) fn analytics_name(self) -> &'static str {
        match self {
            Media::Voice => "voice",
            Media::Message => "message",
            Media::Email => "email",
            Media::Callback => "callback",
        }
    }

    /// The name of a participant's array and of the last segment of a media topic.
    pub(super) fn array_name(self) -> &'static str {
        match self {
            Media::Voice => "calls",
            Media::Message => "messages",
            Media::Email => "emails",
            Media::Callback => "callbacks",
        }
    }

    pub(super) fn index(self) -> usize {
        match self {
            Media::Voice => 0,
            Media::Message => 1,
            Media::Email => 2,
            Media::Callback => 3,
        }
    }

    pub(super) fn provider(self) -> &'static str {
        match self {
            Media::Voice => "Edge",
            Media::Message => "PureCloud Messaging",
            Media::Email => "PureCloud Email",
            Media::Callback => "PureCloud Callback",
        }
    }
}

/// A routing queue.
#[derive(Debug)]
pub(super) struct Queue {
    pub id: Id,
    pub name: String,
    /// Share of each medium in the queue's arrivals, in the order of [`ALL_MEDIA`].
    pub mix: [f64; 4],
    /// Share of the centre's arrivals.
    pub weight: f64,
    /// Service level: percentage (0 to 1) and threshold for each medium.
    pub service_level: [(f64, i64); 4],
    pub wrapup_required: bool,
    /// Index of the queue to which calls are moved that wait too long.
    pub overflow: Option<usize>,
    /// Agents, as indexes of users.
    pub members: Vec<usize>,
}

#[derive(Debug)]
pub(super) struct User {
    pub id: Id,
    pub name: String,
    pub email: String,
    pub title: &'static str,
    /// Queues, as indexes; empty for users who are not agents.
    pub queues: Vec<usize>,
    /// Team leads go on and off queue often, and take no conversations.
    pub lead: bool,
}

/// An organisation's presence definition.
#[derive(Debug)]
pub(super) struct Presence {
    pub id: Id,
    /// The name in notifications and analytics, e.g. `ON_QUEUE`.
    pub system: &'static str,
    /// The name in the presence definitions, e.g. `OnQueue`.
    pub definition: &'static str,
    pub label: &'static str,
}

#[derive(Debug)]
pub(super) struct World {
    /// Some agents leave out after-call work that is optional for them.
    pub optional_after_call_work: bool,
    pub organization: Id,
    pub division: Id,
    pub oauth_client: Id,
    pub flow: Id,
    pub queues: Vec<Queue>,
    pub users: Vec<User>,
    pub presences: Vec<Presence>,
    pub wrapup_codes: Vec<(Id, &'static str)>,
    /// When the organisation was set up.
    pub created: Ms,
}

/// Index of a presence by its system name.
pub(super) const ON_QUEUE: usize = 0;
pub(super) const AVAILABLE: usize = 1;
pub(super) const OFFLINE: usize = 9;

const PRESENCES: [(&str, &str, &str); 10] = [
    ("ON_QUEUE", "OnQueue", "On Queue"),
    ("AVAILABLE", "Available", "Available"),
    ("BUSY", "Busy", "Busy"),
    ("AWAY", "Away", "Away"),
    ("BREAK", "Break", "Break"),
    ("MEAL", "Meal", "Meal"),
    ("MEETING", "Meeting", "Meeting"),
    ("TRAINING", "Training", "Training"),
    ("IDLE", "Idle", "Idle"),
    ("OFFLINE", "Offline", "Offline"),
];

const WRAPUP_CODES: [&str; 8] = [
    "Resolved",
    "Follow-up needed",
    "Callback agreed",
    "Complaint",
    "Information given",
    "Order placed",
    "Wrong department",
    "Escalated",
];

/// Name, share of media (voice, message, e-mail, callback), weight, after-call work expected.
const QUEUES: [(&str, [f64; 4], f64, bool); 12] = [
    ("Sales", [0.70, 0.20, 0.05, 0.05], 1.2, true),
    ("Support", [0.55, 0.35, 0.10, 0.00], 1.4, true),
    ("Billing", [0.70, 0.10, 0.20, 0.00], 1.0, true),
    ("Returns", [0.40, 0.40, 0.20, 0.00], 0.8, false),
    ("Technical Desk", [0.75, 0.20, 0.00, 0.05], 1.0, true),
    ("VIP", [0.80, 0.20, 0.00, 0.00], 0.7, true),
    ("Claims", [0.60, 0.10, 0.30, 0.00], 0.9, true),
    ("Reception", [1.00, 0.00, 0.00, 0.00], 0.9, false),
    ("Orders", [0.50, 0.30, 0.20, 0.00], 1.0, true),
    ("Retention", [0.90, 0.00, 0.00, 0.10], 0.6, true),
    ("Web Chat", [0.00, 1.00, 0.00, 0.00], 0.9, false),
    ("Mailroom", [0.00, 0.10, 0.90, 0.00], 0.6, false),
];

pub(super) const FIRST_NAMES: [&str; 24] = [
    "Ada", "Bilal", "Carmen", "Dmitri", "Elif", "Farah", "Goran", "Hana", "Ines", "Jonas", "Kofi", "Lena", "Mateo",
    "Noor", "Olga", "Pavel", "Quinn", "Rosa", "Sven", "Tala", "Umar", "Vera", "Wanda", "Yuki",
];
pub(super) const LAST_NAMES: [&str; 24] = [
    "Albers",
    "Brandt",
    "Costa",
    "Dahl",
    "Eriksen",
    "Fischer",
    "Garcia",
    "Haddad",
    "Ivanov",
    "Jansen",
    "Kowalski",
    "Lindqvist",
    "Moreau",
    "Novak",
    "Okafor",
    "Petrov",
    "Quist",
    "Rossi",
    "Silva",
    "Tanaka",
    "Ueda",
    "Vogel",
    "Weber",
    "Yilmaz",
];

impl World {
    pub(super) fn build(options: &Options, epoch: Ms) -> World {
        let mut rng = Rng::with_seed(options.seed ^ 0x776f_726c_6400_0001);
        let (organization, division) = (Id::random(&mut rng), Id::random(&mut rng));
        let (oauth_client, flow) = (Id::random(&mut rng), Id::random(&mut rng));
        let presences = PRESENCES
            .iter()
            .map(|&(system, definition, label)| Presence {
                id: Id::random(&mut rng),
                system,
                definition,
                label,
            })
            .collect();
        let wrapup_codes = WRAPUP_CODES.iter().map(|&name| (Id::random(&mut rng), name)).collect();
        let mut queues: Vec<Queue> = (0..options.queues)
            .map(|i| queue(i, options.queues, &mut rng))
            .collect();
        let mut users: Vec<User> = (0..options.agents.max(options.users))
            .map(|i| user(i, options, &mut rng))
            .collect();
        for (index, user) in users.iter_mut().enumerate() {
            user.queues.retain(|&q| q < queues.len());
            for &q in &user.queues {
                queues[q].members.push(index);
            }
        }
        World {
            organization,
            division,
            oauth_client,
            flow,
            queues,
            users,
            presences,
            wrapup_codes,
            optional_after_call_work: options.optional_after_call_work,
            created: epoch - 90 * 86_400_000,
        }
    }

    pub(super) fn queue_index(&self, id: &str) -> Option<usize> {
        let id = Id::parse(id)?;
        self.queues.iter().position(|q| q.id == id)
    }

    pub(super) fn user_index(&self, id: &str) -> Option<usize> {
        let id = Id::parse(id)?;
        self.users.iter().position(|u| u.id == id)
    }
}

fn queue(index: usize, count: usize, rng: &mut Rng) -> Queue {
    let (base, mix, weight, wrapup_required) = QUEUES[index % QUEUES.len()];
    let name = if index < QUEUES.len() {
        base.to_owned()
    } else {
        format!("{base} {}", index / QUEUES.len() + 1)
    };
    let voice_target = [10_000, 20_000, 30_000][rng.usize(..3)];
    Queue {
        id: Id::random(rng),
        name,
        mix,
        weight,
        service_level: [(0.8, voice_target), (0.8, 30_000), (0.9, 60_000), (0.8, 60_000)],
        wrapup_required,
        overflow: (count > 1 && index.is_multiple_of(3)).then(|| (index + 1) % count),
        members: Vec::new(),
    }
}

fn user(index: usize, options: &Options, rng: &mut Rng) -> User {
    let (first, last) = (FIRST_NAMES[rng.usize(..24)], LAST_NAMES[rng.usize(..24)]);
    let agent = index < options.agents;
    // The first user is always a team lead, so that the first entry of each listing changes often.
    let lead = rng.u8(..7) == 0 || index == 0;
    let lead = agent && lead && options.agents >= 10;
    let mut queues = Vec::new();
    if agent {
        // Round robin first, so that every queue has an agent.
        queues.push(index % options.queues);
        for _ in 0..rng.usize(..3) {
            let other = rng.usize(..options.queues);
            if !queues.contains(&other) {
                queues.push(other);
            }
        }
    }
    User {
        id: Id::random(rng),
        name: format!("{first} {last}"),
        email: format!(
            "{}.{}.{}@example.com",
            first.to_lowercase(),
            last.to_lowercase(),
            index + 1
        ),
        title: if lead {
            "Team Lead"
        } else if agent {
            "Agent"
        } else {
            "Back Office"
        },
        queues,
        lead,
    }
}
