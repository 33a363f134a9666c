/** Formats dates as Python and llama.cpp do: `strftime` in the C locale, not in this machine's. */

const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS = [
  "January",
  "February",
  "March",
  "April",
  "May",
  "June",
  "July",
  "August",
  "September",
  "October",
  "November",
  "December",
];
const DAY_MS = 86_400_000;

/** Directives that are short for a format of other directives. */
const WHOLE: Readonly<Record<string, string>> = {
  c: "%a %b %e %H:%M:%S %Y",
  D: "%m/%d/%y",
  F: "%Y-%m-%d",
  r: "%I:%M:%S %p",
  R: "%H:%M",
  T: "%H:%M:%S",
  x: "%m/%d/%y",
  X: "%H:%M:%S",
};

/**
 * Formats a date in the local time zone. It supports the directives of C and Python, also without padding
 * as in glibc (`%-d`). Unknown directives are left unchanged.
 */
export function strftime(date: Date, format: string): string {
  return format.replace(/%(-?)([a-zA-Z%])/g, (directive, bare: string, letter: string) => {
    const whole = WHOLE[letter];
    if (whole !== undefined) return strftime(date, whole);
    const text = partOf(date, letter);
    if (text === undefined) return directive;
    return bare === "" ? text : text.replace(/^[0 ]+(?=\d)/, "");
  });
}

function partOf(date: Date, letter: string): string | undefined {
  const hours = date.getHours();
  const day = DAYS[date.getDay()] as string;
  const month = MONTHS[date.getMonth()] as string;
  switch (letter) {
    case "a":
      return day.slice(0, 3);
    case "A":
      return day;
    case "b":
    case "h":
      return month.slice(0, 3);
    case "B":
      return month;
    case "C":
      return padded(Math.floor(date.getFullYear() / 100));
    case "d":
      return padded(date.getDate());
    case "e":
      return padded(date.getDate(), 2, " ");
    case "H":
      return padded(hours);
    case "I":
      return padded(hours % 12 || 12);
    case "j":
      return padded(dayOfYear(date) + 1, 3);
    case "m":
      return padded(date.getMonth() + 1);
    case "M":
      return padded(date.getMinutes());
    case "n":
      return "\n";
    case "p":
      return hours < 12 ? "AM" : "PM";
    case "s":
      return String(Math.floor(date.getTime() / 1000));
    case "S":
      return padded(date.getSeconds());
    case "t":
      return "\t";
    case "u":
      return String(date.getDay() || 7);
    case "w":
      return String(date.getDay());
    case "U":
      return padded(weekOfYear(date, date.getDay()));
    case "W":
      return padded(weekOfYear(date, (date.getDay() + 6) % 7));
    case "G":
      return padded(ofIsoWeek(date).getFullYear(), 4);
    case "V":
      return padded(Math.floor(dayOfYear(ofIsoWeek(date)) / 7) + 1);
    case "y":
      return padded(date.getFullYear() % 100);
    case "Y":
      return String(date.getFullYear());
    case "z":
      return offsetOf(date);
    case "%":
      return "%";
    default:
      return undefined;
  }
}

function padded(value: number, width = 2, fill = "0"): string {
  return String(value).padStart(width, fill);
}

/** The day of the year, from 0. */
function dayOfYear(date: Date): number {
  const midnight = Date.UTC(date.getFullYear(), date.getMonth(), date.getDate());
  return (midnight - Date.UTC(date.getFullYear(), 0, 1)) / DAY_MS;
}

/** Number of weeks that have begun in the year. Days before the first full week are in week 0. */
function weekOfYear(date: Date, daysSinceItBegan: number): number {
  return Math.floor((dayOfYear(date) + 7 - daysSinceItBegan) / 7);
}

/** The Thursday of the date's week. In ISO 8601 it determines the number of the week and its year. */
function ofIsoWeek(date: Date): Date {
  const daysToThursday = 4 - (date.getDay() || 7);
  return new Date(date.getFullYear(), date.getMonth(), date.getDate() + daysToThursday);
}

/** The time zone as hours and minutes east of UTC, such as `+0130`. */
function offsetOf(date: Date): string {
  const minutes = -date.getTimezoneOffset();
  const east = Math.abs(minutes);
  return `${minutes < 0 ? "-" : "+"}${padded(Math.floor(east / 60))}${padded(east % 60)}`;
}
