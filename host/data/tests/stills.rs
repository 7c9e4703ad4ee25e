//! A small data set through the whole job, and shards that are not what they should be.

use mtcae_contract::{Expression, LabelSet};
use mtcae_data::{
    DataError, FACE_MARGIN, Folds, Naming, Part, Shard, Stills, StillsJob, contact_sheet, prepare_stills,
};
use std::path::Path;

const PORTRAIT: &[u8] = include_bytes!("../../../tests/data/astronaut.png");

/// Two persons with a face each, one broken file, one expression the label set lacks.
fn data_set(root: &Path) {
    let portrait = image::load_from_memory(PORTRAIT).unwrap();
    for name in ["happy/Ann_Lee_0001.png", "happy/Ann_Lee_0002.png", "neutral/Bo_0001.png", "contempt/Bo_0002.png"] {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        portrait.crop_imm(124, 17, 200, 200).save(path).unwrap();
    }
    std::fs::write(root.join("neutral/Cy_0001.jpg"), b"no picture").unwrap();
}

fn job(root: &Path) -> StillsJob {
    StillsJob {
        folders: Default::default(),
        source: root.join("in"),
        out: root.join("out"),
        name: "set".to_owned(),
        split: "train".to_owned(),
        part: Part::All,
        naming: Naming::PersonNumber,
        labels: LabelSet::seven(),
        side: 64,
        grey: false,
        workers: 2,
    }
}

#[test]
fn a_data_set_becomes_shards_once() {
    let dir = tempfile::tempdir().unwrap();
    data_set(&dir.path().join("in"));
    let job = job(dir.path());
    let mut last = None;
    let outcome = prepare_stills(&job, |p| last = Some(p)).unwrap();
    assert_eq!(last.map(|p| (p.done, p.total, p.faces)), Some((4, 4, 3)));
    let counts = &outcome.counts;
    assert_eq!((counts.samples, counts.faces, counts.corrupt, counts.left_out), (3, 3, 1, 1));
    assert!(outcome.corrupt[0].starts_with("neutral/Cy_0001.jpg: "), "{:?}", outcome.corrupt);

    let stills = Stills::open_named(&job.out, "set").unwrap();
    let seven = LabelSet::seven();
    assert_eq!(stills.len(), 3);
    let labels: Vec<_> = (0..3).map(|i| seven.labels()[stills.sample(i).label]).collect();
    assert_eq!(labels, [Expression::Happy, Expression::Happy, Expression::Neutral]);
    let (a, b, c) = (stills.sample(0), stills.sample(1), stills.sample(2));
    assert!(a.subject == b.subject && a.subject != c.subject);
    assert_eq!((a.image.len(), a.side, a.channels), (64 * 64 * 3, 64, 3));
    let seen = a.framing(FACE_MARGIN);
    assert!(a.landmarks.iter().all(|p| p.x > seen.x && p.x < seen.x + seen.w && p.y > seen.y && p.y < seen.y + seen.h));

    // Under the labels of a model that knows others, and in another order.
    use Expression::*;
    let wider = LabelSet::new(vec![Contempt, Neutral, Happy]).unwrap();
    let wide = stills.labelled(&wider).unwrap();
    assert_eq!((wide.labels(), [0, 1, 2].map(|i| wide.sample(i).label)), (&wider, [2, 2, 1]));
    assert_eq!((wide.select(&[2]).unwrap().frame(0, 0).label, wide.labelled(&seven).unwrap().sample(0).label), (1, 1));
    let narrow = LabelSet::new(vec![Happy, Sad]).unwrap();
    let err = stills.labelled(&narrow).unwrap_err();
    insta::assert_snapshot!(err, @"a sample's expression is `neutral`; accepted: those that the model knows");
    assert!(stills.select(&[0, 1]).unwrap().labelled(&narrow).is_ok());

    let again = prepare_stills(&job, |_| {}).unwrap();
    assert_eq!((again.skipped, again.counts), (1, outcome.counts));
    // Of a larger job of this name.
    std::fs::copy(&outcome.shards[0], job.out.join("set-001.safetensors")).unwrap();
    let other = prepare_stills(&StillsJob { side: 48, ..job.clone() }, |_| {}).unwrap();
    assert_eq!((other.skipped, Stills::open_named(&job.out, "set").unwrap().len()), (0, 3));
    contact_sheet(&stills, 48, &dir.path().join("sheet.png")).unwrap();
    assert!(image::open(dir.path().join("sheet.png")).is_ok());
}

#[test]
fn a_person_is_on_one_side_of_a_split() {
    let dir = tempfile::tempdir().unwrap();
    data_set(&dir.path().join("in"));
    let mut all = Vec::new();
    for (name, part) in [("low", Part::Below(50)), ("high", Part::From(50))] {
        let job = StillsJob { name: name.to_owned(), part, ..job(dir.path()) };
        match prepare_stills(&job, |_| {}) {
            Ok(outcome) => {
                let stills = Stills::open(&outcome.shards).unwrap();
                all.extend((0..stills.len()).map(|i| (stills.sample(i).subject, name)));
            }
            Err(DataError::NoneTaken { .. }) => {}
            Err(e) => panic!("{e}"),
        }
    }
    assert_eq!(all.len(), 3);
    assert!(all.iter().all(|a| all.iter().all(|b| a.0 != b.0 || a.1 == b.1)));
}

#[test]
fn wrong_jobs_and_files_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let err = prepare_stills(&StillsJob { side: 8, ..job(dir.path()) }, |_| {}).unwrap_err();
    insta::assert_snapshot!(err, @"side is 8; accepted: 32 to 1024 pixels");
    let err = prepare_stills(&StillsJob { name: "../x".into(), ..job(dir.path()) }, |_| {}).unwrap_err();
    insta::assert_snapshot!(err, @r#"name is "../x"; accepted: letters, digits, `-`, `_` and `.`"#);
    let err = Stills::open(&[]).unwrap_err();
    insta::assert_snapshot!(err, @"list of shards is empty; accepted: at least one .safetensors file");
    let path = dir.path().join("bad.safetensors");
    let tensor = safetensors::tensor::TensorView::new(safetensors::Dtype::U8, vec![2], &[0, 1]).unwrap();
    safetensors::serialize_to_file([("label", tensor)], None, &path).unwrap();
    let err = Shard::open(&path).unwrap_err().to_string();
    assert!(err.contains("bad.safetensors: not a usable shard: no metadata"), "{err}");
    std::fs::write(&path, b"short").unwrap();
    assert!(matches!(Shard::open(&path), Err(DataError::Shard { .. })));
}

#[test]
fn a_data_set_without_a_sample_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("in/contempt");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("Cy_0001.jpg"), b"no picture").unwrap();
    let said = |change: fn(&mut StillsJob)| {
        let mut job = job(dir.path());
        change(&mut job);
        let error = prepare_stills(&job, |_| {}).unwrap_err().to_string();
        error.replace(&dir.path().display().to_string(), "DIR")
    };
    insta::assert_snapshot!(said(|_| ()), @"DIR/in: none of its 1 picture(s) becomes a sample: none shows one of neutral, happy, sad, angry, fear, disgust, surprise");
    insta::assert_snapshot!(said(|job| job.part = Part::From(100)), @"DIR/in: none of its 1 picture(s) becomes a sample: all persons are in the other part");
    std::fs::rename(&folder, dir.path().join("in/happy")).unwrap();
    let corrupt = said(|_| ());
    assert!(corrupt.starts_with("DIR/in: none of its 1 picture(s)") && corrupt.contains("Cy_0001.jpg"), "{corrupt}");
}

#[test]
fn a_truncated_shard_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    data_set(&dir.path().join("in"));
    let outcome = prepare_stills(&job(dir.path()), |_| {}).unwrap();
    let bytes = std::fs::read(&outcome.shards[0]).unwrap();
    std::fs::write(&outcome.shards[0], &bytes[..bytes.len() - 100]).unwrap();
    assert!(matches!(Shard::open(&outcome.shards[0]), Err(DataError::Shard { .. })));
}

/// A folder with one portrait for each name, each a little different.
fn portraits(root: &Path, names: &[&str]) {
    let portrait = image::load_from_memory(PORTRAIT).unwrap();
    for (i, name) in names.iter().enumerate() {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        portrait.crop_imm(124 + i as u32, 17, 200, 200).save(path).unwrap();
    }
}

#[test]
fn files_without_persons_are_strangers_wherever_they_lie() {
    let dir = tempfile::tempdir().unwrap();
    portraits(dir.path(), &["train/happy/0001.png", "train/sad/0001.png", "test/happy/0001.png"]);
    let subjects = |split: &str| {
        let job = StillsJob {
            source: dir.path().join(split),
            name: split.to_owned(),
            naming: Naming::File,
            ..job(dir.path())
        };
        let stills = Stills::open(&prepare_stills(&job, |_| {}).unwrap().shards).unwrap();
        (0..stills.len()).map(|i| stills.sample(i).subject).collect::<Vec<_>>()
    };
    let all: std::collections::BTreeSet<u64> = [subjects("train"), subjects("test")].concat().into_iter().collect();
    assert_eq!(all.len(), 3, "happy/0001 and sad/0001, or train and test, are one person");
}

#[test]
fn the_same_picture_under_two_names_is_in_one_part_and_one_fold() {
    let dir = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..12).map(|n| format!("{}/{n}.png", ["happy", "sad"][n % 2])).collect();
    portraits(&dir.path().join("in"), &names.iter().map(String::as_str).collect::<Vec<_>>());
    for name in &names {
        let again = dir.path().join("in").join(name.replace(".png", "-again.png"));
        std::fs::copy(dir.path().join("in").join(name), again).unwrap();
    }
    let part = |part: Part, name: &str| {
        let job = StillsJob { naming: Naming::File, part, name: name.to_owned(), side: 32, ..job(dir.path()) };
        Stills::open(&prepare_stills(&job, |_| {}).unwrap().shards).unwrap()
    };
    let (one, other) = (part(Part::Below(50), "one"), part(Part::From(50), "other"));
    assert_eq!(one.len() + other.len(), 24);
    assert_eq!(one.also_in(&other).unwrap(), Vec::<usize>::new());
    let all = part(Part::All, "all");
    let of = Folds::Subject(4).of_samples(&all).unwrap();
    let apart = |a: usize, b: usize| all.picture(a).unwrap() == all.picture(b).unwrap() && of[a] != of[b];
    assert!((0..24).all(|a| (0..24).all(|b| !apart(a, b))), "{of:?}");
    assert_eq!((0..4).map(|fold| of.iter().filter(|f| **f == fold).count()).collect::<Vec<_>>(), [6; 4]);
    // In another data set it is another subject: two sets are not the same people for a picture or two.
    std::fs::rename(dir.path().join("in"), dir.path().join("moved")).unwrap();
    let elsewhere = StillsJob { naming: Naming::File, source: dir.path().join("moved"), side: 32, ..job(dir.path()) };
    let elsewhere = Stills::open(&prepare_stills(&elsewhere, |_| {}).unwrap().shards).unwrap();
    assert_eq!(elsewhere.also_in(&all).unwrap().len(), 24);
    assert!((0..24).all(|i| elsewhere.sample(i).subject != all.sample(i).subject));
}

#[test]
fn a_picture_is_known_again_under_another_name_and_size() {
    let dir = tempfile::tempdir().unwrap();
    portraits(&dir.path().join("in"), &["happy/Ann_Lee_0001.png", "happy/Bo_0001.png"]);
    let first = prepare_stills(&job(dir.path()), |_| {}).unwrap().shards;
    let other = dir.path().join("other/sad/Cy_0007.png");
    std::fs::create_dir_all(other.parent().unwrap()).unwrap();
    std::fs::copy(dir.path().join("in/happy/Bo_0001.png"), &other).unwrap();
    let other = StillsJob { source: dir.path().join("other"), name: "other".to_owned(), side: 48, ..job(dir.path()) };
    let second = prepare_stills(&other, |_| {}).unwrap().shards;
    let (first_stills, second_stills) = (Stills::open(&first).unwrap(), Stills::open(&second).unwrap());
    assert_eq!(first_stills.also_in(&second_stills).unwrap(), [1]);
    assert_eq!(second_stills.also_in(&first_stills).unwrap(), [0]);
    assert!(first_stills.select(&[0]).unwrap().also_in(&second_stills).unwrap().is_empty());

    // An older shard is read, and says what it lacks.
    let bytes = std::fs::read(&second[0]).unwrap();
    let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let tensors = file.tensors().into_iter().filter(|(name, _)| name != "picture_hash");
    let old = dir.path().join("old-000.safetensors");
    safetensors::serialize_to_file(tensors, header.metadata().clone(), &old).unwrap();
    let old = Stills::open(&[old]).unwrap();
    assert_eq!((old.len(), old.sample(0).image), (1, second_stills.sample(0).image));
    let said = first_stills.also_in(&old).unwrap_err().to_string().replace(&dir.path().display().to_string(), "DIR");
    insta::assert_snapshot!(said, @"DIR/old-000.safetensors: the shard keeps no hashes of its pictures; make it again with `mtcae data`");
}

#[test]
fn a_picture_that_was_replaced_makes_its_shard_again() {
    let dir = tempfile::tempdir().unwrap();
    portraits(&dir.path().join("in"), &["happy/Ann_Lee_0001.png", "happy/Bo_0001.png"]);
    let (a, b) = ("in/happy/Ann_Lee_0001.png", "in/happy/Bo_0001.png");
    let skipped = |source: &str| {
        let job = StillsJob { source: dir.path().join(source), ..job(dir.path()) };
        prepare_stills(&job, |_| {}).unwrap().skipped
    };
    assert_eq!((skipped("in"), skipped("in")), (0, 1));
    std::fs::copy(dir.path().join(b), dir.path().join(a)).unwrap();
    assert_eq!((skipped("in"), skipped("in")), (0, 1));
    // An archive whose entries are all of the same size and time.
    let archive = |bytes: [&[u8]; 2]| {
        let mut archive = tar::Builder::new(Vec::new());
        let size = bytes.iter().map(|b| b.len()).max().unwrap();
        for (name, bytes) in ["happy/Ann_Lee_0001.png", "happy/Bo_0001.png"].into_iter().zip(bytes) {
            let mut padded = bytes.to_vec();
            padded.resize(size, 0);
            let mut header = tar::Header::new_gnu();
            header.set_size(size as u64);
            header.set_cksum();
            archive.append_data(&mut header, name, &padded[..]).unwrap();
        }
        std::fs::write(dir.path().join("in.tar"), archive.into_inner().unwrap()).unwrap();
    };
    portraits(&dir.path().join("in"), &["happy/Ann_Lee_0001.png", "happy/Bo_0001.png"]);
    let [a, b] = [a, b].map(|name| std::fs::read(dir.path().join(name)).unwrap());
    archive([&a, &b]);
    assert_eq!((skipped("in.tar"), skipped("in.tar")), (0, 1));
    archive([&b, &a]);
    assert_eq!(skipped("in.tar"), 0);
}

#[test]
fn a_shard_with_numbers_that_are_none_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    portraits(&dir.path().join("in"), &["happy/Ann_Lee_0001.png", "happy/Bo_0001.png"]);
    let shard = prepare_stills(&job(dir.path()), |_| {}).unwrap().shards.remove(0);
    let good = std::fs::read(&shard).unwrap();
    let (header, metadata) = safetensors::SafeTensors::read_metadata(&good).unwrap();
    let end = |tensor: &str| header + 8 + metadata.info(tensor).unwrap().data_offsets.1;
    for (tensor, number, has_face, why) in [
        ("boxes", f32::NAN, 1, Some("sample 1, frame 0 has the box")),
        ("boxes", -1.0, 1, Some("sample 1, frame 0 has the box")),
        ("boxes", f32::NAN, 0, Some("sample 1, frame 0 has the box")),
        ("landmarks", f32::INFINITY, 1, Some("sample 1, frame 0 has the landmark")),
        // Nobody reads them there.
        ("landmarks", f32::INFINITY, 0, None),
    ] {
        // The last number of the second sample.
        let mut bytes = good.clone();
        bytes[end(tensor) - 4..end(tensor)].copy_from_slice(&number.to_le_bytes());
        bytes[end("has_face") - 1] = has_face;
        std::fs::write(&shard, &bytes).unwrap();
        let said = Shard::open(&shard).err().map(|e| e.to_string()).unwrap_or_default();
        match why {
            Some(why) => assert!(
                said.contains("set-000.safetensors: ") && said.contains(why) && said.contains("accepted: numbers"),
                "{said}"
            ),
            None => assert_eq!(said, ""),
        }
    }
    std::fs::write(&shard, &good).unwrap();
    assert!(Shard::open(&shard).is_ok());
}

#[test]
fn what_shows_faces_is_for_its_owner_alone() {
    let dir = tempfile::tempdir().unwrap();
    portraits(&dir.path().join("in"), &["happy/Ann_Lee_0001.png"]);
    let shards = prepare_stills(&job(dir.path()), |_| {}).unwrap().shards;
    let sheet = dir.path().join("sheet.png");
    contact_sheet(&Stills::open(&shards).unwrap(), 2, &sheet).unwrap();
    for path in [&shards[0], &sheet] {
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(path).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600, "{}", path.display());
    }
}
