"""What the names of a published table's columns and rows mean, in the languages that people write them in."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from typing import Literal

from ferbench.audit.printed import ACCURACY, BALANCED, MACRO, MEASURES, MICRO, SAMPLES, WEIGHTED

#: A score of each class that is its recall, or how often "this class or another" is right.
PER_CLASS = "accuracy"

_COLUMNS = {
    "class": "class classes label labels emotion emotions expression expressions category categories name target "
    "affect mood facial_expression class_name class_label emotion_class "
    "klasse kategorie classe categorie étiquette clase "
    "categoría etiqueta emoción categoria rótulo etichetta emozione "
    "emoção émotion klass klasa etykieta класс метка категория эмоция sınıf duygu etiket kelas emosi lớp nhãn "
    "类别 類別 标签 表情 情感 情绪 クラス ラベル 感情 클래스 레이블 감정 الفئة वर्ग",
    "precision": "precision prec pre pr p ppv positive_predictive_value average_precision_score "
    "präzision relevanz précision precisión precisão precisione precyzja precisie kesinlik hassasiyet presisi "
    "độ_chính_xác 精确率 精确度 精準率 精確率 查准率 適合率 정밀도 الدقة",
    "recall": "recall rec re r sensitivity sens tpr true_positive_rate hit_rate recall_score uar "
    "sensitivität trefferquote empfindlichkeit rappel sensibilité exhaustividad sensibilidad recuperación "
    "revocação sensibilidade revocación richiamo sensibilità "
    "czułość gevoeligheid полнота чувствительность duyarlılık "
    "độ_phủ độ_nhạy 召回率 查全率 再現率 感度 재현율 민감도 الاستدعاء",
    "f1": "f1 f fscore f1score fmeasure f1measure f1_value f_1 f1_score "
    "f1maß f1mass fmaß fmass f1wert fmesure "
    "f1mesure fscore_f1 f1_puntuación puntuación_f1 medida_f f1_medida medida_f1 "
    "pontuação_f1 f1_pontuação punteggio_f1 f1мера fмера f_мера miara_f1 f1_skoru skor_f1 f1_skor điểm_f1 "
    "f1值 f1分数 f1得分 f1分數 f値 f1スコア f1値 f1점수 f1_점수",
    "support": "support supports sup n count counts images image samples sample total number instances examples "
    "num no size frequency images_count sample_count n_images n_samples num_samples num_images number_of_images "
    "number_of_samples no_of_samples no_of_images samples_count test_samples test_images support_images "
    "anzahl stützung unterstützung häufigkeit bilder effectif effectifs images_de_test nombre soporte cantidad "
    "muestras suporte amostras quantidade supporto campioni numero liczność liczba wsparcie aantal поддержка "
    "количество destek sayı adet dukungan jumlah hỗ_trợ số_lượng 支持 支持数 支持度 样本数 樣本數 数量 サポート "
    "サポート数 件数 지원 지지도 개수 샘플수",
    PER_CLASS: "accuracy acc class_accuracy accuracy_per_class per_class_accuracy classification_accuracy "
    "recognition_rate rate correct recognition_accuracy correctly_classified "
    "korrektklassifikationsrate erkennungsrate exactitude justesse "
    "exactitud acurácia exatidão accuratezza dokładność "
    "nauwkeurigheid doğruluk akurasi 准确率 準確率 正确率 识别率 正解率 認識率 정확도",
}
#: Words that mean precision beside a recall or an F1, and accuracy where they stand alone.
_EITHER = "genauigkeit precisão_global точность accuratesse 精度 độ_chính_xác الدقة"
#: Scores that this audit does not look at, as columns or rows, so that they are never classes.
_OTHER = (
    "auc roc rocauc aucroc auroc prauc auprc specificity tnr "
    "fpr fnr npv fdr kappa cohen cohens cohenskappa mcc matthews "
    "loss logloss crossentropy error top1 top3 top5 ap map iou time latency fps params parameters flops gflops "
    "epoch epochs lr threshold jaccard hamming gmean spezifität spécificité "
    "especificidad fp tp tn fn ece rmse mae ccc "
    "std sd stdev deviation variance"
)
_KINDS = {
    MACRO: "macro unweighted makro unw unwtd 宏 宏平均 "
    "マクロ マクロ平均 매크로 макро macroavg macroaverage macroaveraged "
    "ungewichtet ungewichteter ungewichtetes uavg makroort 巨集平均 macromedia",
    WEIGHTED: "weighted wtd weightedavg weightedaverage gewichtet "
    "gewichteter gewichtetes gewichteten pondérée pondéré "
    "ponderado ponderada ponderata ponderato 加权 加權 加权平均 "
    "加權平均 加重 加重平均 重み付き 重み付き平均 가중 가중평균 "
    "взвешенное взвешенная взвешенный ağırlıklı tertimbang gewogen ważona ważone wavg avgtotal trọng_số",
    MICRO: "micro mikro 微 微平均 マイクロ マイクロ平均 마이크로 микро microavg microaverage microaveraged",
    SAMPLES: "samples",
    BALANCED: "balanced ausgeglichene équilibrée balanceada equilibrada",
    ACCURACY: "accuracy acc exactitude exactitud acurácia "
    "accuratezza accuratesse genauigkeit точность doğruluk akurasi "
    "dokładność nauwkeurigheid korrektklassifikationsrate 准确率 準確率 正确率 "
    "正解率 精度 정확도 exatidão justesse oa war "
    "độ_chính_xác الدقة",
    "average": "average avg avrg ave averages averaged averaging "
    "mean means moyenne moy promedio media média medio "
    "mittelwert durchschnitt mittel schnitt среднее средняя средн "
    "ortalama ort rata rerata ratarata gemiddelde średnia "
    "平均 平均值 均值 평균 mw trung_bình المتوسط",
    "total": "overall total totals all sum global gesamt "
    "insgesamt summe ensemble globale tout toutes tous todo todos "
    "todas geral totale complessivo complessiva general итого "
    "всего общее общая toplam genel keseluruhan ogółem razem "
    "totaal 总计 總計 合计 合計 总体 全体 전체 합계 tổng",
}
_FILLERS = (
    "score scores value values test testing set class classes per class "
    "wise classwise classification rate the of over across on in by "
    "final model report support supports result results result de la le "
    "les du des der die das des el los la macro_avg "
    "metric metrics measure pro classe klasse klassen clases images "
    "samples_n wert maß puntuación mesure und and y et e "
    "dataset data best accuracyscore arithmetic simple"
)
#: What a column is called whose rows are no classes, and words of such rows.
_NO_CLASSES = (
    "model models method methods approach approaches network networks architecture architectures classifier "
    "classifiers algorithm algorithms backbone backbones dataset datasets fold folds epoch epochs "
    "run runs experiment experiments "
    "split splits set metric metrics phase paper study reference authors author year work system systems configuration "
    "variant setting optimizer modell verfahren modèle méthode modelo método modello metodo модель метод yöntem "
    "模型 方法 モデル 手法 모델 방법"
)
_NO_CLASS = re.compile(
    r"\b(fold|epoch|run|training|train|testing|test|validation|val|valid)\b|resnet|vgg|\bcnns?\b|\bsvm\b|mobilenet|"
    r"efficientnet|densenet|inception|xception|alexnet|lenet|transformer|\bvit\b|\blstm\b|\bgru\b|\bknn\b|\bmlp\b|"
    r"random forest|logistic|naive bayes|decision tree|xgboost|\bbert\b|\bours\b|proposed|baseline"
)
#: Whole names that say which number it is.
_NAMES = {
    "uar": (MACRO, "recall"),
    "uf1": (MACRO, "f1"),
    "war": (ACCURACY, None),
    "wf1": (WEIGHTED, "f1"),
    "mf1": (MACRO, "f1"),
    "oa": (ACCURACY, None),
    "aa": (BALANCED, None),
    "mca": (BALANCED, None),
    "wa": ("open accuracy", None),
    "ua": ("open accuracy", None),
    "avgtotal": (WEIGHTED, None),  # what scikit-learn printed below 0.20
    "pw": (WEIGHTED, "precision"),
    "unweightedaveragerecall": (MACRO, "recall"),
    "weightedaveragerecall": (ACCURACY, None),
    "meanclassaccuracy": (BALANCED, None),
    "meanperclassaccuracy": (BALANCED, None),
    "averageperclassaccuracy": (BALANCED, None),
    "averageclassaccuracy": (BALANCED, None),
    "balancedaccuracy": (BALANCED, None),
    "bacc": (BALANCED, None),
    "subsetaccuracy": ("other", None),
    "hammingloss": ("other", None),
}
_PERCENT = r"%|(?<![^\W\d_])(?:percentage|percent|pct|prozent|pourcentage|porcentaje)(?![^\W\d_])"


@dataclass(frozen=True, slots=True)
class Row:
    """What the name of a row that is no class means.

    Attributes:
        kinds: which averages it may be, the likeliest first; none where this audit does not look at it.
        measure: the only one that it is about; None: those of its columns.
        total: whether its support is the number of images.
    """

    kinds: tuple[str, ...]
    measure: str | None = None
    total: bool = True


def says_percent(title: str) -> bool:
    return re.search(_PERCENT, _folded(title)) is not None


@lru_cache(maxsize=4096)
def column_of(title: str) -> str | None:
    """Which column a name means: ``class``, a "
    "measure, ``support``, `PER_CLASS`, ``either`` or ``other``; None: unknown."""
    folded = re.sub(_PERCENT, " ", _folded(title))
    whole = _joined(folded)
    if (known := _COLUMN.get(whole)) is not None:
        return known
    outside = _joined(re.sub(r"[(\[{].*?[)\]}]", " ", folded))
    if outside != whole and (known := _COLUMN.get(outside)) is not None:
        return known
    parts = {_COLUMN.get(_joined(part)) for part in re.split(r"[/|,=]| or | and ", folded)}
    return parts.pop() if len(parts) == 1 else None


def are_classes(heading: str, titles: Sequence[str]) -> bool:
    """Whether rows may be classes, by what their column is called and by their own names."""
    if _joined(_folded(heading)) in _NO_CLASSES_NAMES:
        return False
    named = [_folded(title) for title in titles if title.strip()]
    return 2 * sum(_NO_CLASS.search(title) is not None for title in named) < max(len(named), 1)


def row_of(title: str) -> Row | None:
    """What a row's name means where it is an average, or a score of something else; None: it is a class."""
    return _row_of(re.sub(_PERCENT, " ", _folded(title)))


@lru_cache(maxsize=4096)
def _row_of(folded: str) -> Row | None:
    words = re.findall(r"[^\W_]+", folded)
    named = _NAMES.get("".join(words))
    if named is not None:
        return _row(named[0], named[1])
    tags, measures = set(), set()
    for word in _merged(words):
        column = _COLUMN.get(word) if word == "f1" or len(word) > 3 else None
        if word.isdigit() or (len(word) == 1 and word.isascii()):
            continue
        if word in _KIND:
            tags.add(_KIND[word])
        elif column in MEASURES:
            measures.add(str(column))
        elif word in _OTHERS:
            tags.add("other")
        elif len(word) > 5 and (near := get_close_matches(word, _LONG, 1, 0.85)):
            tags.add(_KIND[near[0]])  # overal, avarage
        elif word not in _FILLER:
            return None
    if not tags and not measures:
        return None
    return _tagged(tags, measures.pop() if len(measures) == 1 else None)


def _tagged(tags: set[str], measure: str | None) -> Row:
    if "other" in tags:
        return Row((), None, False)
    strict = [kind for kind in (MACRO, MICRO, WEIGHTED, SAMPLES) if kind in tags]
    if BALANCED in tags:
        return Row((BALANCED,))
    if ACCURACY in tags:
        if strict or "average" in tags:  # of classes, of images, of folds: fields do not agree
            return _row("open accuracy", None)
        return Row((ACCURACY,))
    if strict:
        return Row((strict[0],), measure)
    return Row((MACRO, WEIGHTED, MICRO) if "average" in tags else (WEIGHTED, MACRO, MICRO), measure)


def _row(kind: str, measure: str | None) -> Row:
    if kind == "other":
        return Row((), None, False)
    return Row((ACCURACY, BALANCED) if kind == "open accuracy" else (kind,), measure)


def _folded(title: str) -> str:
    """Without case, accents and what LaTeX and Markdown write around words."""
    plain = unicodedata.normalize("NFKD", title.casefold())
    plain = "".join(char for char in plain if unicodedata.category(char) != "Mn")
    return re.sub(r"[$*`{}\\]", "", unicodedata.normalize("NFC", plain))


def _joined(folded: str) -> str:
    return "".join(re.findall(r"[^\W_]+", folded))


def _merged(words: Sequence[str]) -> list[str]:
    """``f`` and ``1``, ``f1`` and ``score`` as one word; words of one sign alone mean nothing."""
    text = " ".join(words)
    text = re.sub(
        r"\bf ?1?(?: ?(?:score|measure|mesure|mass|wert|value))?\b(?= |$)",
        lambda match: "f1" if match[0] != "f" else "f",
        text,
    )
    return text.split()


def _listed(words: str) -> list[str]:
    return [_joined(_folded(word)) for word in words.split()]


Column = Literal["class", "precision", "recall", "f1", "support", "accuracy", "either", "other"]
_COLUMN = dict.fromkeys(_listed(_OTHER), "other")
_COLUMN |= {word: column for column, words in _COLUMNS.items() for word in _listed(words)}
_COLUMN |= dict.fromkeys(_listed(_EITHER), "either")
_COLUMN.setdefault("", "")
del _COLUMN[""]
_KIND = {word: kind for kind, words in _KINDS.items() for word in _listed(words)}
_LONG = [word for word in _KIND if len(word) > 5 and word.isascii()]
_NO_CLASSES_NAMES = frozenset(_listed(_NO_CLASSES))
_OTHERS = frozenset(_listed(_OTHER))
_FILLER = frozenset(_listed(_FILLERS))
