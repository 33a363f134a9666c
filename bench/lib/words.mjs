/**
 * Words that a story or sentence may be required to contain. None of them is so common that most texts
 * contain it anyway.
 */
export const WORDS =
  `anchor apple barn basket bell bicycle blanket bottle bread bridge brush bucket button
  cabin camel candle carpet castle chain cherry clock cloud coat compass copper cradle crown curtain
  desert diary donkey drum eagle engine farmer feather fence ferry fiddle flute forest fountain garden
  ghost glove guitar hammer harbor hat honey horse island ivory jacket jar kettle key kite ladder lamp
  lantern lemon letter library lighthouse lion lizard map marble market mirror monk moon mountain nest
  needle oar ocean orange owl paint parrot pencil piano pillow pirate pocket pumpkin puzzle rabbit
  raft ribbon river rope saddle sailor scarf shadow shovel silver sister skate snow spoon squirrel
  statue storm sugar sword table tailor teapot thread ticket tiger tower train trumpet turtle umbrella
  valley violin wagon wallet watch whale wheat whistle window winter wolf wool`.split(/\s+/);
