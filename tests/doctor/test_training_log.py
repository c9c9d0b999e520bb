"""What is read from logs: the best of many evaluations, several seeds, and what is claimed."""

import pytest

from vad_lib.doctor.training_log import read_log
from vad_lib.errors import DataError

VALUES = [60.0, 80.0, 86.97, 85.0, 85.7, 85.6, 85.8, 85.7]


def csv(folder, lines):
    path = folder / "log.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_the_best_of_a_run(tmp_path):
    path = csv(tmp_path, ["step,test_auc", *(f"{step},{value / 100}" for step, value in enumerate(VALUES))])
    found = read_log(path, claimed=86.97)
    assert (found.best, found.last) == pytest.approx((86.97, 85.7))
    said = " ".join(found.sentences)
    assert "The best, 86.97, is number 3; the last is 85.70. To choose the best on the test set adds 1.27 points." in said
    assert "The claimed 86.97 is the best of all evaluations in the log: it was chosen on the test set." in said
    assert "There is one seed in it" in said
    assert "is the mean of the last values" not in said


@pytest.mark.parametrize(
    ("claimed", "words"),
    [(85.7, "is the highest last value"), (88.02, "is 1.05 points above every value"), (70.0, "no special value")],
)
def test_other_claims(tmp_path, claimed, words):
    path = csv(tmp_path, ["auc", *map(str, VALUES)])
    assert words in " ".join(read_log(path, claimed=claimed).sentences)


def test_several_seeds(tmp_path):
    path = csv(tmp_path, ["seed,auc", "1,80", "1,85", "2,80", "2,87", "3,80", "3,86"])
    found = read_log(path, claimed=86.0)
    assert set(found.values) == {"1", "2", "3"}
    assert (
        "Over 3 seeds the last values have mean 86.00 and standard deviation 1.00; the highest, 87.00, is 1.00 above"
        in " ".join(found.sentences)
    )
    assert "The claimed 86 is the mean of the last values" in found.sentences[-1]


def test_a_log_in_words(tmp_path):
    path = tmp_path / "train.log"
    path.write_text("epoch 1 loss 0.7 AUC: 0.81\nepoch 2 loss 0.5 AUC: 0.867\nepoch 3 loss 0.4 AUC: 0.85\n")
    assert read_log(path).best == pytest.approx(86.7)
    assert read_log(path, "loss").values[""].tolist() == [70.0, 50.0, 40.0]


def test_logs_without_values(tmp_path):
    with pytest.raises(DataError, match="--log-column"):
        read_log(csv(tmp_path, ["step,loss", "1,0.5"]))
    with pytest.raises(DataError, match="expected a number, got 'nothing'"):
        read_log(csv(tmp_path, ["auc", "nothing"]))
    with pytest.raises(DataError, match="0 to 100"):
        read_log(csv(tmp_path, ["auc", "1500"]))
    (tmp_path / "empty.log").write_text("hello")
    with pytest.raises(DataError, match="found none"):
        read_log(tmp_path / "empty.log")


def test_the_value_of_the_test_is_read_and_not_the_best_so_far(tmp_path):
    path = csv(tmp_path, ["best_auc,train_auc,val_ap,test_auc,test_ap", "90,95,50,80,40", "90,96,51,85,41"])
    found = read_log(path)
    assert found.values[""].tolist() == [80, 85]
    assert "test_auc is read, not best_auc, train_auc, val_ap, test_ap; --log-column names another." in found.sentences[0]
    assert read_log(path, metric="ap").values[""].tolist() == [40, 41]
    with pytest.raises(DataError, match="--log-column"):
        read_log(csv(tmp_path, ["best_auc,lapse", "90,1"]))


def test_a_stated_word_of_a_log_is_one_series(tmp_path):
    path = tmp_path / "train.log"
    path.write_text("".join(f"epoch {n} AUC: {v} best AUC: {b}\n" for n, v, b in ((1, 0.8, 0.8), (2, 0.87, 0.87), (3, 0.84, 0.87))))
    assert read_log(path, "AUC").values[""].tolist() == [80, 87, 84]
    assert read_log(path, "best auc").values[""].tolist() == [80, 87, 87]
    path.write_text("train AUC: 0.99 test AUC: 0.80\ntrain AUC: 0.995 test AUC: 0.84\n")
    assert read_log(path, "test AUC").values[""].tolist() == [80, 84]
    with pytest.raises(DataError, match="--log-column AUC can be train AUC, test AUC; give one of these names in full"):
        read_log(path, "AUC")


def test_words_of_a_log_are_whole(tmp_path):
    path = tmp_path / "train.log"
    path.write_text("lapse 3.2 train AUC: 0.9 best test AUC: 0.99 test AUC: 0.80\nlapse 3.1 train AUC: 0.91 test AUC: 0.81\n")
    found = read_log(path)
    assert found.values[""].tolist() == [80, 81]
    assert "train AUC, best test AUC" in found.sentences[0]


def test_the_last_value_was_not_chosen_though_it_is_the_best(tmp_path):
    said = " ".join(read_log(csv(tmp_path, ["auc", "85", "86", "86.97"]), claimed=86.97).sentences)
    assert "The claimed 86.97 is the highest last value in the log." in said and "was chosen" not in said
